/** Documents made from the settings table: the tables of docs/configuration.md and the whole of config/shardyard.ini. */
import { stateKindNames, stateKinds } from '../../routing/index.ts';
import { databaseKeyNames, userKeyNames } from './entries.ts';
import { groupTitles, type SettingGroup, type SettingName, type SettingSpec, settingNames, settingSpec } from './settings.ts';

const groups = Object.keys(groupTitles) as readonly SettingGroup[];

function settingsOf(group: SettingGroup): readonly (readonly [SettingName, SettingSpec])[] {
  return settingNames.map((name) => [name, settingSpec(name)!] as const).filter(([, spec]) => spec.group === group);
}

function typeText(spec: SettingSpec): string {
  if (spec.type === 'bool') return '0 or 1';
  if (spec.type === 'enum') return (spec.values ?? []).map((value) => `\`${value}\``).join(', ');
  if (spec.type === 'seconds') return 'seconds';
  if (spec.type === 'wholeSeconds') return 'whole seconds';
  if (spec.type === 'percent') return 'percentage';
  if (spec.type === 'int') return spec.unit ?? 'integer';
  return 'text';
}

/** As it would stand in a file. */
const defaultValue = (spec: SettingSpec): string => spec.default ?? (spec.type === 'string' ? '' : '0');
const defaultText = (spec: SettingSpec): string => (defaultValue(spec) === '' ? '—' : `\`${defaultValue(spec)}\``);

function statusText(spec: SettingSpec): string {
  if (!spec.implemented) return 'not yet';
  if (spec.implementedValues === undefined) return 'yes';
  const refused = Object.keys(spec.refused ?? {});
  const ignored = (spec.values ?? []).filter((value) => !spec.implementedValues?.includes(value) && !refused.includes(value));
  const code = (values: readonly string[]): string => values.map((value) => `\`${value}\``).join(', ');
  const parts = [`yes: ${code(spec.implementedValues)}`];
  if (ignored.length > 0) parts.push(`accepted, not yet: ${code(ignored)}`);
  if (refused.length > 0) parts.push(`refused for now: ${code(refused)}`);
  return parts.join('; ');
}

function settingRow([name, spec]: readonly [SettingName, SettingSpec]): string {
  const cells = [`\`${name}\``, typeText(spec), defaultText(spec), spec.reloadable ? 'yes' : 'no', statusText(spec), spec.doc];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The tables of all settings, by group, in Markdown. */
export function settingsMarkdown(): string {
  const head = ['| setting | value | default | RELOAD, SET | implemented | meaning |', '|---|---|---|---|---|---|'];
  return groups.map((group) => [`#### ${groupTitles[group]}`, '', ...head, ...settingsOf(group).map(settingRow)].join('\n')).join('\n\n');
}

/** The kinds of session state with what may be chosen for each, in Markdown. */
export function kindsMarkdown(): string {
  const row = (kind: (typeof stateKindNames)[number]): string => {
    const { actions, doc } = stateKinds[kind];
    return `| \`${kind}\` | ${actions.map((action) => `\`${action}\``).join(', ')} | ${doc} |`;
  };
  return ['| kind | values | what it is |', '|---|---|---|', ...stateKindNames.map(row)].join('\n');
}

function commentOf(spec: SettingSpec): string {
  const values =
    spec.type === 'string' || (spec.type === 'int' && spec.unit === undefined) ? '' : ` (${typeText(spec).replaceAll('`', '')})`;
  const status = spec.implemented ? '' : ' Accepted, not implemented yet.';
  const refused = Object.keys(spec.refused ?? {});
  const later = refused.length === 0 ? '' : ` Not yet: ${refused.join(', ')}.`;
  return `;; ${spec.doc.replaceAll('`', '')}${values}${status}${later}`;
}

function iniLines([name, spec]: readonly [SettingName, SettingSpec]): readonly string[] {
  return [commentOf(spec), `;${name} = ${defaultValue(spec)}`.trimEnd(), ''];
}

/** The reference file: every setting with its default, commented out. */
export function referenceIni(): string {
  const settings = groups.flatMap((group) => [';;;', `;;; ${groupTitles[group]}`, ';;;', '', ...settingsOf(group).flatMap(iniLines)]);
  return [
    ';;; Every setting of Shardyard with its default. Made from the code: see docs/configuration.md for the sections,',
    ';;; and pooler.ini, replicas.ini and sharded.ini for files to start from.',
    ';;; A line that starts with ; or # is a comment; there are no comments behind values.',
    '',
    ';; name = key=value ...',
    `;; keys: ${databaseKeyNames.join(', ')}`,
    '[databases]',
    ';shop = host=127.0.0.1 port=5432 dbname=shop',
    ';* = host=127.0.0.1',
    '',
    ';; name = key=value ...',
    `;; keys: ${userKeyNames.join(', ')}`,
    '[users]',
    ';reporting = pool_mode=session pool_size=2',
    '',
    ';; [pgbouncer] is the same section',
    '[shardyard]',
    '',
    ...settings,
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
