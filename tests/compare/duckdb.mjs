// DuckDB beside Weir. Two verbs, answers as JSON lines on standard output:
//
//   duckdb.mjs prepare CSV DIR       the flows of a flowgen CSV as sorted Zstandard Parquet, a file a day: {rows, bytes}
//   duckdb.mjs ask GLOB RUNS         reads {"name", "sql"} lines from standard input; FLOWS in sql stands for the files.
//                                    Each is run RUNS times: {name, cpu_ms (least, all threads), wall_ms, rows}
import { DuckDBInstance } from '@duckdb/node-api';
import { createInterface } from 'node:readline';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
const plain = (_, value) => (typeof value === 'bigint' ? value.toString() : value);
const print = (value) => process.stdout.write(JSON.stringify(value, plain) + '\n');

async function prepare(connection, csv, directory) {
  mkdirSync(directory, { recursive: true });
  const columns = `"time"::BIGINT AS time, iface, sip, dip, dport::USMALLINT AS dport, proto::UTINYINT AS proto,
    "packets sent"::UBIGINT AS ps, "data vol. sent"::UBIGINT AS bs, "packets received"::UBIGINT AS pr, "data vol. received"::UBIGINT AS br`;
  await connection.run(`CREATE TEMP TABLE flows AS SELECT ${columns} FROM read_csv(${quoted(csv)}, header = true)`);
  // An interval belongs to the day of the second before its end.
  const days = await connection.runAndReadAll('SELECT DISTINCT (time - 1) // 86400 AS day FROM flows ORDER BY day');
  for (const [day] of days.getRows()) {
    const file = join(directory, `${day}.parquet`);
    await connection.run(`COPY (SELECT * FROM flows WHERE (time - 1) // 86400 = ${day} ORDER BY iface, sip, dip, dport, proto, time)
      TO ${quoted(file)} (FORMAT parquet, COMPRESSION zstd)`);
  }
  const rows = (await connection.runAndReadAll('SELECT count(*) FROM flows')).getRows()[0][0];
  const bytes = readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  print({ rows: Number(rows), bytes });
}

async function ask(connection, glob, runs) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { name, sql } = JSON.parse(line);
    const text = sql.replaceAll('FLOWS', `read_parquet(${quoted(glob)})`);
    let cpu = Infinity;
    let wall = Infinity;
    let rows = [];
    for (let run = 0; run < runs; run++) {
      const began = performance.now();
      const used = process.cpuUsage();
      rows = (await connection.runAndReadAll(text)).getRowObjectsJson();
      const { user, system } = process.cpuUsage(used);
      cpu = Math.min(cpu, (user + system) / 1000);
      wall = Math.min(wall, performance.now() - began);
    }
    print({ name, cpu_ms: cpu, wall_ms: wall, rows });
  }
}

const [verb, ...rest] = process.argv.slice(2);
const connection = await (await DuckDBInstance.create(':memory:')).connect();
if (verb === 'prepare') {
  await prepare(connection, rest[0], rest[1]);
} else if (verb === 'ask') {
  await ask(connection, rest[0], Number(rest[1]));
} else {
  throw new Error(`unknown verb ${verb}: expected prepare or ask`);
}
