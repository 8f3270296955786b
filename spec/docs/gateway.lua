--- gateway: what `./dev docs` checks: a plugin that writes the generated parts of the pages.

listen "127.0.0.1:0"

route "GET /" {
  plugins = { { "write-docs", root = env "MOONGATE_DOCS_ROOT", out = env "MOONGATE_DOCS_OUT" } },
}
