/** Names of tables and columns as SQL writes them: unquoted ones are folded, quoted ones are kept, as Postgres does it. */

/** NAMEDATALEN - 1: Postgres cuts longer names, so a longer one here would name nothing. */
const maxNameBytes = 63;

const part = /^[ \t]*(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*))[ \t]*(\.|$)/;

function fold(name: string): string {
  return name.replace(/[A-Z]/g, (c) => c.toLowerCase());
}

/** `a`, `a.b`, `"A".b` → its parts, folded and unquoted; undefined when it is no name, or a part is too long for Postgres. */
export function parseName(text: string): readonly string[] | undefined {
  const parts: string[] = [];
  let rest = text;
  for (let more = true; more; ) {
    const match = part.exec(rest);
    if (match === null) return undefined;
    const name = match[1] !== undefined ? match[1].replaceAll('""', '"') : fold(match[2] ?? '');
    if (Buffer.byteLength(name) > maxNameBytes) return undefined;
    parts.push(name);
    rest = rest.slice(match[0].length);
    more = match[3] === '.';
  }
  return rest === '' ? parts : undefined;
}

/** One unqualified name, folded and unquoted. */
export function parseColumn(text: string): string | undefined {
  const parts = parseName(text);
  return parts?.length === 1 ? parts[0] : undefined;
}
