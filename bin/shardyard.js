#!/usr/bin/env node
import { main } from '../dist/src/main.js';

const status = await main(process.argv.slice(2));
if (status !== undefined) process.exit(status);
