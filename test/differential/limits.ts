/**
 * What is known not to be exact and is documented as such (docs/exactness.md, which names each): scripts leave it out unless told otherwise,
 * so that a campaign without findings means something. An entry goes when its cause does.
 */

export interface Limit {
  readonly name: string;
  /** Statements that the limit is about. */
  readonly statements: RegExp;
}

export const LIMITS: readonly Limit[] = [
  { name: 'a reset that the text does not show', statements: /f\.run\('RESET|set_config\([^)]*(NULL|\$)/i },
  { name: 'a reset of an identity given at start-up', statements: /\bRESET ROLE\b|SESSION AUTHORIZATION|ROLE (NONE|DEFAULT)/i },
  { name: 'names of prepared statements in SQL that a function runs', statements: /f\.run\('(DEALLOCATE|PREPARE|EXECUTE)/i },
  { name: 'names behind DISCARD ALL in the same write', statements: /^(DISCARD|DEALLOCATE) ALL/i },
];
