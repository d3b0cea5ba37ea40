/** Which database a statement wants for itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wantsAlone } from '../../src/client/leave-database.ts';

const rows: Readonly<Record<string, string | undefined>> = {
  'drop database Shop': 'shop',
  'DROP DATABASE IF EXISTS "My ""Shop""" WITH (FORCE);': 'My "Shop"',
  'drop database sh\xc3\xb6p': 'shöp',
  'alter database shop rename to store': 'shop',
  'alter database shop set tablespace fast': 'shop',
  "alter database shop set work_mem = '1MB'": undefined,
  'create database shop': 'template1',
  'create database shop owner ann': 'template1',
  'create database shop template = default': 'template1',
  'create database shop template Base owner ann': 'base',
  "create database shop with encoding 'UTF8' template = 'base'": 'base',
  'create database "template" template "The base"': 'The base',
  'drop table database': undefined,
  'create table database (template int)': undefined,
};

for (const [text, name] of Object.entries(rows)) test(`${text}: ${name ?? 'none'}`, () => assert.equal(wantsAlone(text), name));
