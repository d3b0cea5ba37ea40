/**
 * The program: argv → configuration → the worker, or one of the commands that connect to nothing. What happens before a
 * worker runs is here, in PgBouncer's order: configuration, user, pid file, background, worker, pid file written. The worker is
 * loaded only to serve; it listens, takes signals and logs. Before it runs, what is fatal is logged from here.
 */
import { parseArguments, type ServeCommand, usage } from './cli.ts';
import type { Config } from './config/config.ts';
import { ConfigError, problemText } from './config/error.ts';
import { loadConfig } from './config/load.ts';
import { setSetting } from './config/show.ts';
import { isInBackground, reportUp, startInBackground, switchUser } from './daemon.ts';
import { createLog, type RootLog } from './log.ts';
import { growYoungGenerationAtOnce } from './memory.ts';
import { answer, check, type Outcome } from './offline.ts';
import { checkPidFile, writePidFile } from './pidfile.ts';
import { versionText } from './version.ts';

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Writes before it returns, so that the process may exit at once. */
function print(outcome: Outcome): number {
  if (outcome.out.length > 0) process.stdout.write(`${outcome.out.join('\n')}\n`);
  if (outcome.err.length > 0) process.stderr.write(`${outcome.err.join('\n')}\n`);
  return outcome.status;
}

/** The configuration with -v in it, unless the file names `verbose`; undefined when it has problems, which were logged. */
function configuration(command: ServeCommand, log: RootLog): Config | undefined {
  try {
    const config = loadConfig(command.file);
    return config.settings.verbose === 0 && command.verbose > 0 ? setSetting(config, 'verbose', String(command.verbose)) : config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) log.error(problemText(problem));
    log.fatal('cannot load config file');
    return undefined;
  }
}

function openLog(log: RootLog, { logfile, verbose }: Config['settings']): void {
  try {
    log.configure({ logfile, verbose });
  } catch (error) {
    throw new Error(`could not open logfile '${logfile}': ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** Everything that can be wrong with the process and not with the configuration. Throws texts for the operator. */
function prepare(command: ServeCommand, { settings }: Config, log: RootLog): void {
  const user = command.user ?? settings.user;
  if (user !== undefined && user !== '') switchUser(user);
  if (command.daemon && settings.pidfile === '') throw new Error('daemon needs pidfile configured');
  if (command.daemon && settings.logfile === '') throw new Error('daemon needs logfile configured');
  openLog(log, settings);
  // The one in the background need not say again what its parent has said.
  const warn = isInBackground() ? () => {} : log.warning;
  if (process.getuid?.() === 0) warn('running as root: better give another user with -u or the setting "user"');
  if (command.reboot) warn('online restart (-R) is not supported, starting normally');
  checkPidFile(settings.pidfile, () => log.log('stale pidfile, removing'));
}

async function startHere(command: ServeCommand, config: Config, quiet: boolean, log: RootLog): Promise<number | undefined> {
  const { startWorker } = await import('./worker.ts');
  const { verbose } = config.settings;
  const worker = await startWorker(config, { configFile: command.file, quiet, verbose, parserReady: true });
  try {
    writePidFile(config.settings.pidfile);
  } catch (error) {
    log.fatal(textOf(error));
    // A worker that was asked to stop ends the process with status 0, but this is no success.
    process.once('exit', () => {
      process.exitCode = 1;
    });
    await worker.stop();
    return 1;
  }
  growYoungGenerationAtOnce();
  reportUp();
  return undefined;
}

/** The status to exit with, or undefined while the worker (or the one in the background) runs on. */
async function serve(command: ServeCommand): Promise<number | undefined> {
  const background = isInBackground();
  const quiet = command.quiet || background;
  const log = createLog({ quiet });
  const config = configuration(command, log);
  if (config === undefined) return 1;
  try {
    prepare(command, config, log);
    if (command.daemon && !background) {
      await startInBackground();
      return 0;
    }
    return await startHere(command, config, quiet, log);
  } catch (error) {
    log.fatal(textOf(error));
    return 1;
  } finally {
    log.close();
  }
}

/** Runs the program with the arguments behind its name. Resolves to the exit status; to undefined when a worker runs on. */
export async function main(argv: readonly string[]): Promise<number | undefined> {
  const command = parseArguments(argv);
  switch (command.kind) {
    case 'help':
      return print({ out: [usage.trimEnd()], err: [], status: 0 });
    case 'version':
      return print({ out: [versionText, `Node.js ${process.version}`], err: [], status: 0 });
    case 'wrong':
      return print({ out: [], err: [`shardyard: ${command.message}`, 'Try "shardyard --help" for more information.'], status: 1 });
    case 'check':
      return print(check(command.file));
    case 'route':
      return print(await answer(command));
    case 'serve':
      return serve(command);
  }
}
