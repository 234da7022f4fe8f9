#!/bin/sh
# Generates the codecs beside this file from proto/. Needs protoc (Debian: protobuf-compiler); the output is committed.
set -eu
cd "$(dirname "$0")"
protoc --plugin=protoc-gen-ts_proto=../../../node_modules/.bin/protoc-gen-ts_proto -I proto --ts_proto_out=. \
  --ts_proto_opt=forceLong=bigint,importSuffix=.ts,enumsAsLiterals=true,oneof=unions-value,outputServices=none \
  --ts_proto_opt=outputJsonMethods=false,unrecognizedEnum=false,useOptionals=none,useExactTypes=false \
  proto/rpc.proto proto/health.proto
