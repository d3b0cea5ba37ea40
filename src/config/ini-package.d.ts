/** The part of the npm package `ini` that `ini.ts` uses; the package brings no types. */
declare module 'ini' {
  export function decode(text: string): Record<string, Record<string, string | boolean | null>>;
}
