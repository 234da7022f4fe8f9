/**
 * The renderer's content security policy, the same in every shell but for what it may connect to: nothing but our own files
 * runs, nothing is framed, nothing is fetched from elsewhere.
 */
export function contentSecurityPolicy(connectTo: "'self'" | "'none'"): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src ${connectTo}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
