/**
 * DROP DATABASE and its like want nobody to be connected. Connections that are only kept for clients to come are nobody: they are closed first,
 * where no client is logged in, as the client that used them has gone. Postgres waits some seconds for those that are just leaving.
 */
import { utf8OfLatin1 } from '../wire/read.ts';

const NAME = String.raw`("(?:[^"]|"")*"|[^\s;,()'"]+)`;
const DROP = new RegExp(String.raw`^\s*drop\s+database\s+(?:if\s+exists\s+)?${NAME}`, 'i');
const ALTER = new RegExp(String.raw`^\s*alter\s+database\s+${NAME}\s+(?:rename\s+to|set\s+tablespace)\b`, 'i');
const CREATE = new RegExp(String.raw`^\s*create\s+database\s+${NAME}`, 'i');
const TEMPLATE = new RegExp(String.raw`\btemplate\s*=?\s*(?:${NAME}|'([^']*)')`, 'i');

/** The database that the statement wants for itself alone; undefined: none, or it is not seen. Nothing depends on it but whether Postgres refuses. */
export function wantsAlone(text: string): string | undefined {
  const [, left] = DROP.exec(text) ?? ALTER.exec(text) ?? [];
  if (left !== undefined) return meant(left);
  const created = CREATE.exec(text);
  if (created === null) return undefined;
  const [, name, quoted] = TEMPLATE.exec(text.slice(created[0].length)) ?? [];
  if (quoted !== undefined) return utf8(quoted);
  return name === undefined || /^default$/i.test(name) ? 'template1' : meant(name);
}

function meant(name: string): string {
  return utf8(name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
}

/** Texts are latin1 strings of what came. */
function utf8(text: string): string {
  return utf8OfLatin1(text);
}
