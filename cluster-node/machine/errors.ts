/**
 * Failures of the key-value API with etcd's exact texts and gRPC codes: clients match on both
 * (etcd, api/v3rpc/rpctypes/error.go). They are values: an error of a command is part of its result, the same on every node.
 */
export interface EtcdError {
  /** gRPC status code. */
  readonly code: number;
  readonly message: string;
}

export const grpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

function failure(code: number, text: string): EtcdError {
  return Object.freeze({ code, message: `etcdserver: ${text}` });
}

export const etcdErrors = {
  emptyKey: failure(grpcCode.invalidArgument, 'key is not provided'),
  keyNotFound: failure(grpcCode.invalidArgument, 'key not found'),
  valueProvided: failure(grpcCode.invalidArgument, 'value is provided'),
  leaseProvided: failure(grpcCode.invalidArgument, 'lease is provided'),
  leaseNotFound: failure(grpcCode.notFound, 'requested lease not found'),
  tooManyOps: failure(grpcCode.invalidArgument, 'too many operations in txn request'),
  duplicateKey: failure(grpcCode.invalidArgument, 'duplicate key given in txn request'),
  invalidSortOption: failure(grpcCode.invalidArgument, 'invalid sort option'),
  compacted: failure(grpcCode.outOfRange, 'mvcc: required revision has been compacted'),
  futureRevision: failure(grpcCode.outOfRange, 'mvcc: required revision is a future revision'),
  requestTooLarge: failure(grpcCode.invalidArgument, 'request is too large'),
  noSpace: failure(grpcCode.resourceExhausted, 'mvcc: database space exceeded'),
  tooManyRequests: failure(grpcCode.resourceExhausted, 'too many requests'),
  noLeader: failure(grpcCode.unavailable, 'no leader'),
  timeout: failure(grpcCode.unavailable, 'request timed out'),
  timeoutLeaderLost: failure(grpcCode.unavailable, 'request timed out, possibly due to previous leader failure'),
  timeoutConnectionLost: failure(grpcCode.unavailable, 'request timed out, possibly due to connection lost'),
  stopped: failure(grpcCode.unavailable, 'server stopped'),
} as const;
