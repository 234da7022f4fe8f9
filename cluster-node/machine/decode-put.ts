/**
 * Reading a PutRequest, the request that there are most of, without the general decoder's objects: a third of what applying
 * one costs otherwise.
 */
import { PutRequest } from '../contract/etcd/rpc.ts';

/** Protobuf tags: field 1 and 2, both length-delimited. */
const KEY_TAG = 0x0a;
const VALUE_TAG = 0x12;
const MAX_LENGTH_BYTES = 4;

const nothing = new Uint8Array(0);

/** The same as `PutRequest.decode`, which still reads every request that is more than a key and a value. */
export function decodePut(body: Uint8Array): PutRequest {
  let key: Uint8Array = nothing;
  let value: Uint8Array = nothing;
  for (let at = 0; at < body.length; ) {
    const tag = body[at++];
    if (tag !== KEY_TAG && tag !== VALUE_TAG) return PutRequest.decode(body);
    let length = 0;
    let byte = 0x80;
    for (let index = 0; byte >= 0x80; index++) {
      if (index === MAX_LENGTH_BYTES || at >= body.length) return PutRequest.decode(body);
      byte = body[at++] as number;
      length |= (byte & 0x7f) << (7 * index);
    }
    if (length > body.length - at) return PutRequest.decode(body);
    const field = body.subarray(at, at + length);
    if (tag === KEY_TAG) key = field;
    else value = field;
    at += length;
  }
  return { key, value, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
}
