/**
 * SQL's EXECUTE, DEALLOCATE and PREPARE share their names with the protocol's Parse. A statement that the client prepared through the protocol
 * has another name on servers, so the name in the text is replaced where it stands; the rest of the text stays as it is.
 */
import type { Facts } from '../../routing/index.ts';
import type { Prepared } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import { STATUS_FAILED } from '../wire/codes.ts';
import type { Request } from './request.ts';
import type { StatementNames } from './statements.ts';

/** Effects whose name is that of a prepared statement. */
const NAMING: ReadonlySet<string> = new Set(['prepare', 'execute', 'deallocate']);

/**
 * Names of prepared statements that a request's SQL speaks of where the text cannot be changed (several statements, CREATE TABLE AS EXECUTE,
 * SQL inside the extended protocol): what they name must be on the server under the client's own name.
 */
export function namedInSql(all: readonly Facts[], names: Pick<StatementNames, 'named'>): ReadonlySet<string> {
  const found = new Set<string>();
  const look = ({ statements }: Facts): void => {
    for (const { effects } of statements) {
      for (const { kind, name } of effects) {
        if (name === undefined || !NAMING.has(kind) || found.has(name)) continue;
        found.add(name);
        // What is executed may name others.
        const prepared = names.named.get(name);
        if (prepared !== undefined) look(prepared.facts);
      }
    }
  };
  for (const facts of all) look(facts);
  return found;
}

/** The session whose request it is. */
interface Keeping {
  readonly names: StatementNames;
  keptByName(name: string, server: Server): () => void;
}

/**
 * What the SQL of a request names stays with the session on this server. `prepareAs` puts there what the client has given through the protocol; `undo`
 * is for when that fails. In a failed transaction nothing can be put there.
 */
export function keepNamed(
  request: Pick<Request, 'facts' | 'gives'>,
  state: Keeping,
  server: Server,
  prepareAs: (name: string, prepared: Prepared, undo: () => void) => void,
): void {
  const { names } = state;
  for (const name of namedInSql(request.facts(), names)) {
    const prepared = server.status === STATUS_FAILED ? undefined : names.named.get(name);
    if (prepared === undefined && (names.named.has(name) || !request.gives(name))) continue;
    const undo = state.keptByName(name, server);
    if (prepared !== undefined) prepareAs(name, prepared, undo);
  }
}

/** PREPARE name, EXECUTE name, DEALLOCATE [PREPARE] name: the words before the name. */
const BEFORE_NAME = /^((?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:prepare|execute|deallocate(?:\s+prepare)?)\s+)("(?:[^"]|"")+"|[^\s(;"]+)/i;

export interface Renamed {
  /** The text with the name that servers know, as latin1. */
  readonly text: string;
  readonly prepared: Prepared;
  readonly name: string;
  /** It takes the statement away. */
  readonly removes: boolean;
}

/** The text to send instead, where a lone statement names one that the protocol prepared. */
export function renameInSql(text: string, facts: Facts, names: StatementNames): Renamed | undefined {
  const [statement] = facts.statements;
  if (facts.statements.length !== 1 || statement === undefined || names.named.size === 0) return undefined;
  if (statement.verb !== 'prepare' && statement.verb !== 'execute' && statement.verb !== 'deallocate') return undefined;
  const found = BEFORE_NAME.exec(text);
  if (found === null) return undefined;
  const [whole, before, written] = found as unknown as [string, string, string];
  const name = written.startsWith('"') ? written.slice(1, -1).replaceAll('""', '"') : written.toLowerCase();
  const prepared = names.named.get(name);
  if (prepared === undefined || namedInSql([prepared.facts], names).size > 0) return undefined;
  const ours = prepared.name.toString('latin1', 0, prepared.name.length - 1);
  return { text: `${before}"${ours}"${text.slice(whole.length)}`, prepared, name, removes: statement.verb === 'deallocate' };
}
