/** The product's name and version, read once from package.json: the first line of --version and the value of SHOW VERSION. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

function readVersion(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json')) && path.dirname(folder) !== folder) folder = path.dirname(folder);
  const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { readonly version: string };
  return version;
}

/** As in package.json, for example `0.1.0`. */
export const version: string = readVersion();

/** `Shardyard 0.1.0`. */
export const versionText: string = `Shardyard ${version}`;
