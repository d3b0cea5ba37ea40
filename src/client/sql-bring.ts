/**
 * Brings the statements of SQL's PREPARE along, as far as a request can see them: names that the server has of others are taken away, and those of
 * the session that it lacks are prepared again by the client's own text, under the settings of then. That happens in a transaction (or behind a
 * savepoint) that is rolled back, which PREPARE outlives and settings do not.
 *
 * A statement that cannot be prepared any more, or not with the same result, would be there on a connection of the client's own, and fail when it is
 * executed. So a stand-in takes its name, which fails then; its error means the one that the client must get. Each use tries again.
 */
import type { Statement } from '../../routing/index.ts';
import { stalePlan } from '../relay/stale-plan.ts';
import { InternalExchange } from '../server/exchange.ts';
import type { SqlStatement } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import { changeFrames, type Label, withoutIdentity } from '../server/settings.ts';
import * as code from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { bind, close, describe, execute, type MessageFields, parse, query, sync } from '../wire/write.ts';
import { type Phase, whileAsked } from './phase.ts';
import type { Request } from './request.ts';
import { Described, isSame, meaningOf, type TrackedStatement } from './sql-prepared.ts';
import type { SessionState } from './state.ts';

/** The session, as it waits for its statements. */
export interface Bringer {
  readonly phase: Phase;
  readonly request: Request;
  readonly complete: boolean;
  readonly state: SessionState;
  enter(phase: Phase): void;
  inputWanted(): void;
  fail(error: MessageFields, reason: string): void;
}

/** Puts the names on a server right for the session's request; true: `go` is called when they are. */
export function namesFirst(session: Bringer, server: Server, go: () => void): boolean {
  const { request, complete, state } = session;
  const there = server.prepared.sql;
  if ((state.names.sql.size === 0 && there.size === 0) || server.status === code.STATUS_FAILED) return false;
  if (state.policy.state.actions.prepare === 'ignore') return false;
  const lacking = putRight(server, seenBy(request, complete, state, server), state);
  if (lacking.length === 0) return false;
  const waiting = whileAsked(server);
  session.enter(waiting);
  prepareAgain(server, lacking, state.label, (ok) => {
    if (session.phase !== waiting) return;
    if (!ok) return session.fail(errors.serverCrashed, 'prepared statements could not be brought along');
    go();
    session.inputWanted();
  });
  return true;
}

/** What a request may see of the names: it runs statements, or speaks of names, or may see all there are. */
interface Seen {
  all: boolean;
  readonly used: Set<string>;
  readonly named: Set<string>;
}

const VIEW = 'pg_prepared_statements';
/** Columns that tell how a statement came to be on this connection and what has become of it there. */
const TELLING = /prepare_time|_plans\b|\btable\b|(?<!\(\s*)\*/i;

function seenBy(request: Request, complete: boolean, state: SessionState, server: Server): Seen {
  const seen: Seen = { all: !complete || request.isFunctionCall, used: new Set(), named: new Set() };
  for (const { understood, statements } of request.facts()) {
    if (!understood) seen.all = true;
    for (const statement of statements) {
      look(statement, seen, state);
      if (looksAtThem(statement)) {
        seen.all = true;
        const text = request.text ?? '';
        if (TELLING.test(text)) state.watchesPrepared(server, text);
      }
    }
  }
  const { named, sql } = state.names;
  for (const { name, type, target } of request.items) {
    if (name === undefined || name === '' || target === code.TARGET_PORTAL || named.has(name)) continue;
    const uses = type === code.BIND || type === code.DESCRIBE;
    (uses ? seen.used : seen.named).add(name);
    const own = type === code.PARSE ? undefined : sql.get(name);
    if (own !== undefined) state.namedByProtocol(own, server);
  }
  return seen;
}

function looksAtThem({ relations, functions, words }: Statement): boolean {
  if (words?.some((word) => word.startsWith('pg_prepared_statement')) === true) return true;
  return relations.some(({ name }) => name === VIEW) || functions.some(({ name }) => name === 'pg_prepared_statement');
}

function look(statement: Statement, seen: Seen, state: SessionState): void {
  for (const { kind, name } of statement.effects) {
    if (kind === 'execute' && name !== undefined) {
      seen.used.add(name);
      const own = state.names.sql.get(name);
      if (own !== undefined && state.mayRunAnything(own.ran)) seen.all = true;
    } else if ((kind === 'prepare' || kind === 'deallocate') && name !== undefined) seen.named.add(name);
    else if (kind === 'opaque' && name === undefined) seen.all = true;
  }
  if (!seen.all && state.mayRunAnything(statement)) seen.all = true;
}

/** A statement that must be prepared again; `certain`: the request runs it, or fails with it. */
interface Lacking {
  readonly statement: TrackedStatement;
  readonly certain: boolean;
}

/** Takes away what is not the session's and gives stand-ins for what is only spoken of; returns what must be prepared again. */
function putRight(server: Server, { all, used, named }: Seen, { names }: SessionState): readonly Lacking[] {
  const there = server.prepared.sql;
  const lacking: Lacking[] = [];
  const frames: Buffer[] = [];
  for (const name of all ? new Set([...there.keys(), ...names.sql.keys()]) : new Set([...used, ...named])) {
    const [own, here] = [names.sql.get(name), there.get(name)];
    const isUsed = all || used.has(name);
    if (own === undefined ? here === undefined : here !== undefined && (!isUsed || isSame(own, here))) continue;
    if (here !== undefined) {
      frames.push(close(code.TARGET_STATEMENT, name));
      there.delete(name);
    }
    if (own !== undefined && isUsed) lacking.push({ statement: own, certain: used.has(name) });
    else if (own !== undefined) frames.push(standIn(there, own, NEVER_EXECUTED));
  }
  sendAlone(server, frames);
  return lacking;
}

/** Frames of ours that cannot fail. */
export function sendAlone(server: Server, frames: readonly Buffer[]): void {
  if (frames.length === 0) return;
  server.enqueue(
    new InternalExchange((_, { ok }) => {
      if (!ok && !server.closed) server.close('names of prepared statements could not be put right');
    }),
  );
  server.send(Buffer.concat([...frames, sync]));
}

const BEGIN = [parse('', 'BEGIN ISOLATION LEVEL READ COMMITTED'), bind('', '', [], []), execute('')];
const SAVEPOINT = [parse('', 'SAVEPOINT shardyard'), bind('', '', [], []), execute('')];
/** For a statement that perhaps nobody runs: the client is not to wait for its tables. */
const IMPATIENT = [parse('', 'SET LOCAL lock_timeout = 50'), bind('', '', [], []), execute('')];
const ROLLBACK = query('ROLLBACK');
const ROLLBACK_TO = query('ROLLBACK TO SAVEPOINT shardyard; RELEASE SAVEPOINT shardyard');

/** Prepares statements on a server that is not in a failed transaction; `done` is told whether the server is still there. */
function prepareAgain(server: Server, statements: readonly Lacking[], label: Label, done: (ok: boolean) => void): void {
  const open = server.status === code.STATUS_TRANSACTION;
  const standIns: Buffer[] = [];
  server.unnamed = undefined;
  statements.forEach(({ statement, certain }, at) => {
    const described = new Described();
    server.enqueue(
      new InternalExchange((_, { ok, error, status }) => {
        if (status === 0) return;
        if (ok && described.result === statement.result) server.prepared.sql.set(statement.name, statement);
        else {
          standIns.push(close(code.TARGET_STATEMENT, statement.name));
          standIns.push(standIn(server.prepared.sql, statement, error ?? stalePlan));
        }
      }, described.see),
    );
    const before = [...(open ? SAVEPOINT : BEGIN), ...settingsFor(server, statement, label, open), ...(certain ? [] : IMPATIENT)];
    server.send(Buffer.concat([...before, ...preparing(statement)]));
    server.enqueue(
      new InternalExchange((_, { status }) => {
        if (at < statements.length - 1) return;
        if (status === 0) return done(false);
        sendAlone(server, standIns);
        done(true);
      }),
    );
    server.send(open ? ROLLBACK_TO : ROLLBACK);
  });
}

function preparing({ name, text }: TrackedStatement): readonly Buffer[] {
  return [parse('', Buffer.from(text, 'latin1')), bind('', '', [], []), execute(''), describe(code.TARGET_STATEMENT, name), sync];
}

function settingsFor(server: Server, { text, meaning, label }: TrackedStatement, now: Label, open: boolean): readonly Buffer[] {
  const under = meaning === meaningOf(text, now) ? now : label;
  // In a transaction of the client's its settings hold, whatever it has made of them, unless they mean something else.
  if (open) return under === now ? [] : changeFrames(undefined, under, server.base);
  return changeFrames(server.label === under ? withoutIdentity(under) : server.label, under, server.base);
}

/** Of a stand-in that is there for its name: who executes the statement has it prepared again before. */
const NEVER_EXECUTED = stalePlan;

let nextStandIn = 1;

/** The Parse that gives a statement's name to a stand-in, with the same parameters. It fails when it is planned, as what it stands for does. */
function standIn(there: Map<string, SqlStatement>, { name, types }: TrackedStatement, error: Buffer): Buffer {
  const text = `SELECT 'shardyard stand-in ${nextStandIn}.'::pg_catalog.text::pg_catalog.int4`;
  nextStandIn += 1;
  there.set(name, { name, text, meaning: '', types: undefined, result: undefined, error });
  return parse(name, text, JSON.parse(types ?? '[]') as number[]);
}

/** What an error means: that of a stand-in is its statement's. */
export function errorMeant(server: Server, error: Buffer): Buffer | undefined {
  const found = /shardyard stand-in \d+\./.exec(error.toString('latin1'));
  if (found === null) return undefined;
  for (const statement of server.prepared.sql.values()) if (statement.text.includes(found[0])) return statement.error;
  return undefined;
}

/** Names that a server keeps for sessions which may come back to it. */
const KEPT = 64;

/** Takes away the oldest names above the limit, behind what is under way. */
export function trimNames(server: Server): void {
  const there = server.prepared.sql;
  if (there.size <= KEPT) return;
  const old = [...there.keys()].slice(0, there.size - KEPT);
  for (const name of old) there.delete(name);
  sendAlone(
    server,
    old.map((name) => close(code.TARGET_STATEMENT, name)),
  );
}
