/**
 * Where a session may have used sequences last: currval() and lastval() speak of that, so whoever reads them must find it there, and nobody else
 * may. Drawing numbers pins nothing by itself; it does in databases in which somebody has been seen to read them.
 */
import type { Effect, Facts } from '../../routing/index.ts';
import type { Server } from '../server/server.ts';
import { lastPart, usesOf } from './doubts.ts';
import type { SessionIdentity } from './identity.ts';
import type { Use, Verdict } from './known-code.ts';
import type { Learnings } from './place.ts';
import { MAY_DRAW, type Ran } from './ran.ts';
import type { StatementNames } from './statements.ts';

/** What is known around it. */
export interface SequenceView {
  readonly identity: Pick<SessionIdentity, 'id' | 'database'>;
  /** Who server connections log in as. */
  readonly user: string;
  readonly learnt: Learnings;
  readonly names: Pick<StatementNames, 'sql'>;
  judge(uses: readonly Use[]): Verdict;
}

export class Sequences {
  readonly #view: SequenceView;
  /** Where this session may have used a sequence last. */
  server: Server | undefined;

  constructor(view: SequenceView) {
    this.#view = view;
  }

  /** What the session drew from sequences is not its own any more. */
  forget(): void {
    if (this.server?.sequenceUser === this.#view.identity.id) this.server.sequenceUser = undefined;
    this.server = undefined;
  }

  /**
   * A statement has run; one that is not proven to read may have called nextval(), in a default or anywhere else. True: what it drew may be asked
   * for later. `inText`: what its DDL may run.
   */
  used(statement: Ran, server: Server, inText: () => readonly Use[]): boolean {
    const { readOnly, effects, verb } = statement;
    const { identity, user, learnt, names } = this.#view;
    const reads = effects.some(({ kind }) => kind === 'currval');
    if (reads) learnt.learnCurrval(identity.database, user);
    if (verb === 'execute' && effects.length === 1 && names.sql.get(effects[0]!.name ?? '')?.ran.readOnly === true) return false;
    const calls = effects.some(({ kind }) => kind === 'opaque');
    if (calls && readOnly && this.#view.judge(usesOf(statement, inText)) === 'quiet') return false;
    if ((readOnly && !calls) || !MAY_DRAW.has(verb)) return false;
    // What it drew elsewhere before is not the last any more, and must not be found there.
    if (this.server !== server && this.server?.sequenceUser === identity.id) this.server.sequenceUser = undefined;
    server.sequenceUser = identity.id;
    this.server = server;
    return !reads && learnt.usesCurrval(identity.database, user);
  }

  /** Whether one of these texts may read currval() or lastval(): it must find what this session did, or nothing. */
  mayBeReadBy(all: readonly Facts[]): boolean {
    return all.some(({ statements }) => statements.some(({ effects }) => effects.some((effect) => this.#mayRead(effect))));
  }

  #mayRead({ kind, name }: Effect): boolean {
    const { learnt, identity, names, judge } = this.#view;
    if (kind === 'execute') return names.sql.get(name ?? '')?.ran.effects.some((effect) => this.#mayRead(effect)) ?? false;
    if (kind !== 'opaque') return kind === 'currval';
    if (learnt.hiddenCode(identity.database)?.currval === false) return false;
    if (name === undefined) return true;
    const verdict = judge([{ kind: 'function', name: lastPart(name) }]);
    return verdict === 'harmful' || verdict === 'unknown';
  }
}
