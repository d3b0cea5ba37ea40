/** What the scripts of this folder are made of. */
import { frames } from '../support/raw-client.ts';
import type { Script } from './side-by-side.ts';

const { bind, execute, parse } = frames;

export const simple = (...texts: readonly string[]): Script => {
  return async (side) => {
    for (const text of texts) await side.query(text);
  };
};

/** Sends all in one write and notes as many answers as there are Syncs. */
export const extended = (...parts: readonly Buffer[]): Script => {
  const syncs = parts.filter((part) => part[0] === 0x53).length;
  return async (side) => {
    side.send(...parts);
    await side.until('Z', syncs);
  };
};

export const both = (...scripts: readonly Script[]): Script => {
  return async (side) => {
    for (const script of scripts) await script(side);
  };
};

export const run = (sql: string, values: readonly (string | null)[] = []): readonly Buffer[] => [parse(sql), bind({ values }), execute()];
