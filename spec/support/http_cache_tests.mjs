// http_cache_tests: the package http-cache-tests, as its server or as its client.
//
// node http_cache_tests.mjs FOLDER server: prints "Listening on http://...:PORT/".
// node http_cache_tests.mjs FOLDER client URL: prints the results as JSON, all tests at once, so
// that they wait together: { ID: { kind, passed, why } }.

import { pathToFileURL } from 'node:url'

const [folder, role, url] = process.argv.slice(2)
const part = name => import(pathToFileURL(`${folder}/http-cache-tests/${name}`))

async function serve () {
  process.env.npm_config_protocol = 'http'
  process.env.npm_config_port = '0'
  process.env.npm_config_pidfile = '/dev/null'
  await part('server/server.mjs')
}

// As the package shows them: one whose dependency has failed has failed too.
function summary (suites, results) {
  const tests = new Map(suites.flatMap(suite => suite.tests).map(test => [test.id, test]))
  const passes = id => results[id] === true && (tests.get(id).depends_on || []).every(passes)
  const all = {}
  for (const [id, test] of tests) {
    if (!(id in results)) continue
    const why = results[id] === true ? 'what it depends on' : results[id].join(': ')
    all[id] = { kind: test.kind || 'required', passed: passes(id), why }
  }
  return all
}

async function ask () {
  const { runTests, getResults } = await part('client/runner.mjs')
  const { default: suites } = await part('tests/index.mjs')
  const { default: fetch } = await import(pathToFileURL(`${folder}/node-fetch/lib/index.mjs`))
  await runTests(suites, fetch, false, url, 1000)
  process.stdout.write(JSON.stringify(summary(suites, getResults())))
}

await (role === 'server' ? serve() : ask())
