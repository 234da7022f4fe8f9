/** Certificates that expire within so many milliseconds are to be replaced. */
export const RENEW_CERTIFICATES_BEFORE_MS = 30 * 86_400_000;
