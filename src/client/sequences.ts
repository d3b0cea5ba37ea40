/**
 * Sequences: currval() and lastval() speak of what the session drew, so whoever reads them must find that, or the error of a session that has
 * drawn nothing, and never what somebody else drew. A server connection remembers what was drawn on it until it is told to forget. It is known
 * whether that is of nobody, of one session, or of who knows whom; in the last case it is told to forget before it is read.
 *
 * Drawing pins nothing by itself; it does in databases in which this user has been seen to read. There the server forgets before a session draws,
 * too, so that all that it remembers is that session's; so it does for the first draws of every user, and for sessions that keep their server.
 */
import type { Facts, Verb } from '../../routing/index.ts';
import type { Server } from '../server/server.ts';
import { STATUS_IDLE } from '../wire/codes.ts';
import { usesOf } from './doubts.ts';
import type { SessionIdentity } from './identity.ts';
import type { Judgement, ReadsSequences, Use } from './known-code.ts';
import type { Learnings } from './place.ts';
import { MAY_DRAW, NOTHING, type Ran } from './ran.ts';
import type { Request } from './request.ts';
import type { StatementNames } from './statements.ts';

/** What is known around it. */
export interface SequenceView {
  readonly identity: Pick<SessionIdentity, 'id' | 'database'>;
  /** Who server connections log in as. */
  readonly user: string;
  readonly learnt: Learnings;
  readonly names: Pick<StatementNames, 'sql' | 'named'>;
  judge(uses: readonly Use[]): Judgement;
  /** The session has temporary objects, perhaps: names mean others to it than what is known of the database. */
  hasTemporary(): boolean;
  /** It keeps its server until it ends, or for long. */
  keepsServer(): boolean;
}

/** What a statement does with sequences, as far as is known. */
interface Look {
  readonly reads: ReadsSequences;
  readonly draws: boolean;
}

const NEITHER: Look = { reads: 'never', draws: false };
const DRAWS: Look = { reads: 'never', draws: true };
const READS: Look = { reads: 'surely', draws: false };
const UNCERTAIN: Look = { reads: 'perhaps', draws: true };
/** What a transaction may begin with before it takes its snapshot. */
const GO_FIRST: ReadonlySet<Verb> = new Set<Verb>(['set', 'lock']);
const NO_USES = (): readonly Use[] => [];

export class Sequences {
  readonly #view: SequenceView;
  /** Where this session drew last, and nobody else before. */
  server: Server | undefined;

  constructor(view: SequenceView) {
    this.#view = view;
  }

  /** What the session drew from sequences is not its own any more. */
  forget(): void {
    if (this.server?.sequenceUser === this.#view.identity.id) this.server.sequenceUser = undefined;
    this.server = undefined;
  }

  /** The client has made this server forget. */
  forgotten(server: Server): void {
    this.forget();
    server.sequenceUser = 'nobody';
  }

  /**
   * A statement has run, or has failed on its way. True: what the session drew may be asked for later, so it must keep its server. `inText`: what
   * its DDL may run.
   */
  used(statement: Ran, server: Server, inText: () => readonly Use[]): boolean {
    const { identity, user, learnt } = this.#view;
    const { reads, draws } = this.#look(statement, inText);
    if (reads === 'surely') learnt.learnCurrval(identity.database, user);
    if (draws) this.#drew(server);
    if (!learnt.usesCurrval(identity.database, user) || readsInText(statement)) return false;
    // A query of whose views nothing is known yet will be known the next time.
    const matters = draws && !(statement.readOnly && statement.effects.length === 0 && this.#isUnknown(statement));
    return matters || (reads === 'surely' && this.server === server);
  }

  #isUnknown(statement: Ran): boolean {
    return this.#view.judge(usesOf(statement, NO_USES)).verdict === 'unknown';
  }

  #drew(server: Server): void {
    const { id } = this.#view.identity;
    // What it drew elsewhere before is not the last any more, and must not be found there.
    if (this.server !== server) this.forget();
    server.sequenceUser = server.sequenceUser === 'nobody' || server.sequenceUser === id ? id : undefined;
    this.server = server.sequenceUser === id ? server : undefined;
  }

  /** Whether a server must forget what it remembers before this request, of which more is to come where it is not `complete`. */
  mustForget(request: Request, complete: boolean, server: Server): boolean {
    const { id } = this.#view.identity;
    if (server.sequenceUser === id) return false;
    const clean = server.sequenceUser === 'nobody';
    if (clean && !request.hasEffects) return false;
    if (clean) return request.facts().some(({ statements }) => statements.some(readsInText));
    if (!complete || request.isFunctionCall || request.executed.includes(undefined)) return true;
    return this.#matters(request.facts(), server.status !== STATUS_IDLE);
  }

  #matters(all: readonly Facts[], open: boolean): boolean {
    let draws = false;
    for (const { statements } of all) {
      for (const statement of statements) {
        const look = this.#look(statement, NO_USES);
        if (look.reads !== 'never') return true;
        draws ||= look.draws;
      }
    }
    // To forget takes a snapshot, and so must not come before what goes first in its transaction.
    if (!draws || (open && GO_FIRST.has(all[0]!.statements[0]!.verb))) return false;
    const { identity, user, learnt, keepsServer } = this.#view;
    return learnt.usesCurrval(identity.database, user) || keepsServer() || learnt.drawsEarly(identity.database, user);
  }

  #look(statement: Ran, inText: () => readonly Use[], inner = false): Look {
    const { effects, verb } = statement;
    if (!MAY_DRAW.has(verb)) return NEITHER;
    // A portal that is not known.
    if (statement === NOTHING) return UNCERTAIN;
    let look = this.#lookAtCode(statement, inText);
    for (const { kind, name } of effects) {
      if (kind === 'nextval') look = both(look, DRAWS);
      else if (kind === 'currval') look = both(look, READS);
      else if (kind === 'ddl' || (kind === 'opaque' && name === undefined)) look = both(look, UNCERTAIN);
      else if (kind === 'execute') look = both(look, inner ? UNCERTAIN : this.#lookAtNamed(name ?? ''));
    }
    return look;
  }

  /** What the code does that it uses. */
  #lookAtCode(statement: Ran, inText: () => readonly Use[]): Look {
    // Before it has run, of DDL nothing is to be known.
    if (inText === NO_USES && statement.effects.some(({ kind }) => kind === 'ddl')) return UNCERTAIN;
    const { reads, verdict } = this.#view.judge(usesOf(statement, inText));
    const draws = verdict !== 'quiet' || (!statement.readOnly && this.#view.hasTemporary());
    return reads === 'never' && !draws ? NEITHER : { reads, draws };
  }

  /** What EXECUTE runs. */
  #lookAtNamed(name: string): Look {
    const { sql, named } = this.#view.names;
    const ran = sql.get(name)?.ran ?? named.get(name)?.facts.statements[0];
    return ran === undefined ? UNCERTAIN : this.#look(ran, NO_USES, true);
  }
}

function both(one: Look, other: Look): Look {
  return { reads: one.reads === 'surely' || other.reads === 'never' ? one.reads : other.reads, draws: one.draws || other.draws };
}

/** The text of the statement calls currval() or lastval(). */
export const readsInText = ({ effects }: Ran): boolean => effects.some(({ kind }) => kind === 'currval');
