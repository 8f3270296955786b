--- tables: how it is shown what a benchmark found.

local tables = require "spec.bench.tables"

describe("a benchmark's tables", function()
  local scenario = { name = "some", what = "of it" }
  local rows = {
    { name = "one", cpu_us = 20, memory = 1048576, ratios = {
      { what = "CPU", over = "one", median = 1, min = 1, max = 1 },
      { what = "p99", over = "two", median = 0.5, min = 0.25, max = 2 },
    } },
    { name = "two", cpu_us = 25.5, memory = 2097152, ratios = {
      { what = "CPU", over = "one", median = 1.275, min = 1.2, max = 1.3 },
      { what = "p99", over = "two", median = 1, min = 1, max = 1 },
    } },
  }

  it("say of each ratio over whom, and its spread", function()
    local text = tables.markdown({ scenario }, { { rows = rows } }, { rounds = 5, seconds = 2 })
    assert.equal([[
**some**: of it

|  | CPU us | memory MB | CPU over one | p99 over two |
|---|---:|---:|---:|---:|
| one | 20.00 | 1.0 | 1.00 (1.00 to 1.00) | 0.50 (0.25 to 2.00) |
| two | 25.50 | 2.0 | 1.27 (1.20 to 1.30) | 1.00 (1.00 to 1.00) |]], text:match "\n\n(.*)$")
    assert.truthy(text:find("medians of 5 rounds of 2 s", 1, true))
  end)

  it("say how many rounds there are at most", function()
    local few = { name = "some", what = "of it", rounds_max = 3 }
    assert.equal("some: of it (at most 3 rounds)\n", tables.text(few, rows):match "^.-\n")
    assert.truthy(tables.markdown({ few }, { { rows = rows } }, { rounds = 5, seconds = 2 }):find(
      "\n**some**: of it (at most 3 rounds)\n", 1, true))
  end)

  it("are aligned as text", function()
    assert.equal([[
some: of it
     CPU us  memory MB         CPU over one         p99 over two
one   20.00        1.0  1.00 (1.00 to 1.00)  0.50 (0.25 to 2.00)
two   25.50        2.0  1.27 (1.20 to 1.30)  1.00 (1.00 to 1.00)]], tables.text(scenario, rows))
    local idle = { { name = "one", bytes = 1536, connections = 10 } }
    assert.equal([[
some: of it
                   memory
one  1.50 KiB each, of 10]], tables.text({ name = "some", what = "of it", measure = "idle" }, idle))
  end)
end)
