// The lines of standard input (a JSON list of strings) as tokens, by two engines: VS Code's, from the TextMate
// grammar, and JavaScript's own regular expressions, from the table that other highlighters read.
// node tokenise.mjs GRAMMAR TABLE; prints {"textmate": [...], "table": [...]}, of each line a list of
// [start, end, token].
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const [grammarFile, tableFile] = process.argv.slice(2);
const lines = JSON.parse(readFileSync(0, "utf8"));

async function byTextmate() {
  await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(readFileSync(grammarFile, "utf8"), grammarFile),
  });
  const grammar = await registry.loadGrammar("source.pfnlab");
  let state = textmate.INITIAL;
  return lines.map((line) => {
    const result = grammar.tokenizeLine(line, state);
    state = result.ruleStack;
    return result.tokens
      .filter(({ startIndex, endIndex }) => line.slice(startIndex, endIndex).trim())
      .map(({ startIndex, endIndex, scopes }) => [startIndex, Math.min(endIndex, line.length), scopes.at(-1)]);
  });
}

function byTable() {
  const table = JSON.parse(readFileSync(tableFile, "utf8"));
  const space = new RegExp(table.space, "y");
  const contexts = Object.fromEntries(
    Object.entries(table.contexts).map(([name, rules]) => [
      name,
      rules.map(([token, pattern, next]) => [token, new RegExp(pattern, "y"), next]),
    ]),
  );
  return lines.map((line) => {
    const found = [];
    let context = table.start;
    for (let at = 0; at < line.length; ) {
      space.lastIndex = at;
      if (space.test(line)) {
        at = space.lastIndex;
        continue;
      }
      for (const [token, regex, next] of contexts[context]) {
        regex.lastIndex = at;
        if (regex.test(line)) {
          found.push([at, regex.lastIndex, token]);
          [at, context] = [regex.lastIndex, next];
          break;
        }
      }
    }
    return found;
  });
}

console.log(JSON.stringify({ textmate: await byTextmate(), table: byTable() }));
