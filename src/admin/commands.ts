/**
 * What each console command does: who may give it, what it checks first, what it asks of the pooler, what it answers. Order of
 * the checks, texts and tags are PgBouncer's (admin.c). Everything but SHOW needs an admin user.
 */
import { type Log, silentLog } from '../log.ts';
import * as errors from '../wire/errors.ts';
import { parseCommand } from './grammar.ts';
import { help } from './help.ts';
import type { Reply } from './reply.ts';
import { oneValue, routeTable, shows } from './show.ts';
import type { AdminView, ShutdownMode } from './view.ts';

/** Who gives the command. `admin`: named in admin_users; otherwise in stats_users. */
export interface Caller {
  readonly user: string;
  readonly admin: boolean;
  readonly log?: Log;
  /** The caller's CancelRequest: ends PAUSE, SUSPEND and WAIT_CLOSE while they wait. */
  readonly signal?: AbortSignal;
}

/** Characters of one command. */
const MAX_COMMAND_LENGTH = 65_536;

interface Call {
  readonly view: AdminView;
  readonly log: Log;
  readonly signal: AbortSignal | undefined;
  readonly text: string;
  readonly arg: string;
}
type Verb = (call: Call) => Reply | Promise<Reply>;

const fail = (error: errors.MessageFields): Reply => ({ kind: 'error', error });
const done = (tag: string): Reply => ({ kind: 'done', tag });
const isPaused = (view: AdminView): boolean => view.state() !== 'active';

/** Runs one command text. Never rejects: what goes wrong is the reply. Errors are logged, as PgBouncer does. */
export async function runCommand(view: AdminView, caller: Caller, text: string): Promise<Reply> {
  const log = caller.log ?? silentLog;
  let reply: Reply;
  try {
    reply = await dispatch(view, caller, log, text);
  } catch (error) {
    log.error(`console: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    reply = fail(errors.poolerError('internal error', 'XX000'));
  }
  if (reply.kind === 'error') log.error(reply.error.message);
  return reply;
}

function dispatch(view: AdminView, caller: Caller, log: Log, text: string): Reply | Promise<Reply> {
  if (text.length > MAX_COMMAND_LENGTH) return fail(errors.badArguments);
  const command = parseCommand(text);
  switch (command.kind) {
    case 'empty':
      return { kind: 'empty' };
    case 'invalid':
      return fail(errors.invalidCommand(text));
    case 'set':
      return set(view, caller, command.key, command.value);
    case 'command': {
      const { name, args } = command;
      if (name === 'show' || name === 'select') return show(view, args, text);
      const call = { view, log, signal: caller.signal, text, arg: args[0] ?? '' };
      const verb = args.length > 1 ? undefined : VERBS.get(name);
      if (verb === undefined) return fail(errors.invalidCommand(text));
      // PgBouncer finds fault with the words before it asks who speaks.
      return badWords(name, call) ?? (caller.admin ? verb(call) : fail(errors.adminNeeded));
    }
  }
}

function badWords(name: string, { arg, text }: Call): Reply | undefined {
  const takesNothing = name === 'reload' || name === 'suspend';
  const bad = (takesNothing && arg !== '') || (name === 'shutdown' && shutdownMode(arg) === undefined);
  return bad ? fail(errors.invalidCommand(text)) : undefined;
}

/** Drivers ask for these, or set them, without a need; there is nothing behind them. */
const PRETENDED: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF-8'],
  ['default_transaction_isolation', 'read committed'],
  ['standard_conforming_strings', 'on'],
  ['datestyle', 'ISO'],
  ['timezone', 'GMT'],
]);

function show(view: AdminView, args: readonly string[], text: string): Reply {
  const [what = '', ...rest] = args;
  const name = what.toLowerCase();
  if (name === 'route') return showRoute(view, rest, text);
  if (rest.length > 0) return fail(errors.invalidCommand(text));
  const pretended = PRETENDED.get(name);
  if (pretended !== undefined) return oneValue(name, pretended);
  if (name === 'help') return { kind: 'done', tag: 'SHOW', notice: help };
  return shows.get(name)?.(view) ?? fail(errors.invalidCommand(text));
}

function showRoute(view: AdminView, args: readonly string[], text: string): Reply {
  const [database, sql, ...more] = args;
  if (database === undefined || sql === undefined || more.length > 0) return fail(errors.invalidCommand(text));
  try {
    return routeTable(view.route(database, sql));
  } catch (error) {
    return fail(errors.poolerError(error instanceof Error ? error.message : String(error)));
  }
}

function set(view: AdminView, caller: Caller, key: string, value: string): Reply {
  if (key === '') return fail(errors.badArguments);
  if (PRETENDED.has(key.toLowerCase())) return { kind: 'done', tag: 'SET', notice: errors.setIgnored };
  if (!caller.admin) return fail(errors.adminNeeded);
  try {
    view.set(key, value);
    return done(`SET ${key}=${value}`);
  } catch (error) {
    return fail({ ...errors.setFailed, detail: error instanceof Error ? error.message : String(error) });
  }
}

/** Says in the log what was asked for, before it is done. */
function issued(call: Call, command: string): void {
  call.log.log(call.arg === '' ? `${command} command issued` : `${command} '${call.arg}' command issued`);
}

/** Finds the database that the argument names, or says why not. */
function wrongDatabase(call: Call, verb: string, register = true): Reply | undefined {
  const found = call.view.findDatabase(call.arg, register);
  if (found === undefined) return fail(errors.noDatabase(call.arg));
  return found.admin ? fail(errors.notForAdminDatabase(verb, call.arg)) : undefined;
}

/** A command for one database or for all of them. */
function forDatabases(call: Call, tag: string, act: (database?: string) => void): Reply {
  issued(call, tag);
  if (call.arg === '') {
    act();
    return done(tag);
  }
  const wrong = wrongDatabase(call, tag.toLowerCase());
  if (wrong === undefined) act(call.arg);
  return wrong ?? done(tag);
}

/** A command that must name its database. */
function forDatabase(call: Call, tag: string, register: boolean, act: (database: string) => void): Reply {
  if (call.arg === '') return fail(errors.databaseRequired);
  issued(call, tag);
  const wrong = wrongDatabase(call, tag.toLowerCase(), register);
  if (wrong === undefined) act(call.arg);
  return wrong ?? done(tag);
}

/** Waits for what takes its time; the caller's cancel ends the wait and undoes what can be undone. */
async function waitFor(call: Call, tag: string, work: Promise<boolean>, undo: () => void): Promise<Reply> {
  const { signal } = call;
  let onAbort = (): void => {};
  const canceled = new Promise<false>((resolve) => {
    onAbort = () => {
      undo();
      resolve(false);
    };
  });
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort);
  try {
    return (await Promise.race([work, canceled])) ? done(tag) : fail(errors.queryCanceled);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function pause(call: Call): Reply | Promise<Reply> {
  const { view, arg } = call;
  if (isPaused(view)) return fail(errors.alreadyPaused);
  issued(call, 'PAUSE');
  if (arg === '') return waitFor(call, 'PAUSE', view.pause(), () => isPaused(view) && view.resume());
  const wrong = wrongDatabase(call, 'pause');
  return wrong ?? waitFor(call, 'PAUSE', view.pause(arg), () => view.findDatabase(arg, false)?.paused && view.resume(arg));
}

function resume(call: Call): Reply {
  const { view, arg } = call;
  issued(call, 'RESUME');
  if (arg === '') {
    if (view.shuttingDown()) return fail(errors.cannotResume);
    if (!isPaused(view)) return fail(errors.notPaused);
    view.resume();
    return done('RESUME');
  }
  const found = view.findDatabase(arg, false);
  if (found === undefined) return fail(errors.noDatabase(arg));
  if (!found.paused) return fail(errors.databaseNotPaused(arg));
  view.resume(arg);
  return done('RESUME');
}

function suspend(call: Call): Reply | Promise<Reply> {
  const { view } = call;
  if (isPaused(view)) return fail(errors.alreadyPaused);
  if (view.databases().some((database) => database.paused)) return fail(errors.cannotSuspend);
  issued(call, 'SUSPEND');
  return waitFor(call, 'SUSPEND', view.suspend(), () => isPaused(view) && view.resume());
}

function waitClose(call: Call): Reply | Promise<Reply> {
  const { view, arg } = call;
  issued(call, 'WAIT_CLOSE');
  const wrong = arg === '' ? undefined : wrongDatabase(call, 'wait in');
  const closed = (): Promise<true> => view.waitClose(arg === '' ? undefined : arg).then(() => true);
  return wrong ?? waitFor(call, 'WAIT_CLOSE', closed(), () => {});
}

async function reload({ view, log }: Call): Promise<Reply> {
  log.log('RELOAD command issued');
  try {
    await view.reload();
    return done('RELOAD');
  } catch (error) {
    log.error(error instanceof Error ? error.message : String(error));
    return fail(errors.reloadFailed);
  }
}

function kill(call: Call): Reply {
  if (isPaused(call.view)) return fail(errors.alreadyPaused);
  return forDatabases(call, 'KILL', (database) => call.view.kill(database));
}

function killClient({ view, arg }: Call): Reply {
  if (!/^[0-9]{1,15}$/.test(arg)) return fail(errors.invalidClientId);
  return view.killClient(Number(arg)) ? done('KILL_CLIENT') : fail(errors.noSuchClient);
}

function shutdownMode(arg: string): ShutdownMode | undefined {
  const word = arg.toLowerCase();
  if (word === '') return 'immediate';
  return word === 'wait_for_clients' || word === 'wait_for_servers' ? word : undefined;
}

function shutdown({ view, log, arg }: Call): Reply {
  const mode = shutdownMode(arg) ?? 'immediate';
  log.log(mode === 'immediate' ? 'SHUTDOWN command issued' : `SHUTDOWN ${mode.toUpperCase()} command issued`);
  view.shutdown(mode);
  return mode === 'immediate' ? { kind: 'none' } : done('SHUTDOWN');
}

const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['disable', (call) => forDatabase(call, 'DISABLE', true, (database) => call.view.disable(database))],
  ['enable', (call) => forDatabase(call, 'ENABLE', false, (database) => call.view.enable(database))],
  ['kill', kill],
  ['kill_client', killClient],
  ['pause', pause],
  ['reconnect', (call) => forDatabases(call, 'RECONNECT', (database) => call.view.reconnect(database))],
  ['reload', reload],
  ['resume', resume],
  ['shutdown', shutdown],
  ['suspend', suspend],
  ['wait_close', waitClose],
]);
