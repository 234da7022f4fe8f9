/** Filled in by the build; absent when run from the sources. */
declare const __SYNOD_VERSION__: string | undefined;

export const VERSION = typeof __SYNOD_VERSION__ === 'string' ? __SYNOD_VERSION__ : 'dev';
