/**
 * What is known not to be exact and is documented as such (docs/exactness.md, which names each): scripts leave it out unless told otherwise,
 * so that a campaign without findings means something. An entry goes when its cause does.
 */

export interface Limit {
  readonly name: string;
  /** Statements that are left out. */
  readonly statements?: RegExp;
  /** Statements that are left out of the extended protocol only. */
  readonly extended?: RegExp;
  /** Start-up parameters, as JSON, that are left out. */
  readonly startup?: RegExp;
}

export const LIMITS: readonly Limit[] = [
  { name: 'a reset that the text does not show', statements: /f\.run\('RESET|set_config\([^)]*NULL|set_config\('app.a', \$1/i },
  { name: 'a role given at start-up', startup: /role=/ },
  { name: 'names of prepared statements in SQL that a function runs', statements: /f\.run\('(DEALLOCATE|PREPARE|EXECUTE)/i },
  { name: 'the temporary schema, when what was in it is gone', statements: /^(SELECT|DROP \w+) pg_temp\./ },
  { name: 'names behind DISCARD ALL in the same write', extended: /^(DISCARD|DEALLOCATE) ALL/i },
];
