--- compiler: when LuaJIT compiles, and what it gives up on.

local interpreter = require "moongate.core.interpreter"

local compiler = {}

-- A configuration is read once: what it does ten thousand times is worth compiling, and what it
-- does hundreds of times is done before that has paid. Each trace is code that is made writable and
-- then executable, for which the system stops all threads of the process for a moment: a shorter
-- one for fewer pages at once.
local READING = { "hotloop=300", "hotexit=60", "sizemcode=16" }

-- A chain is one long trace through plugins, libraries and the exported functions: the defaults of
-- LuaJIT, made for single loops, would give up on it (each tail call counts as an unrolled loop),
-- and throw all traces away once many chains have been compiled. The last three are its defaults:
-- that `hotloop` is said has LuaJIT count anew how hot code is. Its few counters, which all code
-- shares, may say by now that something is not to be tried for tens of thousands of calls: what was
-- built had loops that could not be compiled.
local SERVING = {
  "maxtrace=4000", "maxrecord=16000", "maxirconst=2000", "maxsnap=2000", "maxmcode=8192",
  "loopunroll=100", "hotloop=56", "hotexit=10", "sizemcode=64",
}

--- Before a configuration is read. To compile takes memory only seldom, which is where who reads
--- asks whether others want the processor: he asks with each trace that begins and ends, too.
function compiler.reads()
  jit.opt.start(unpack(READING))
  jit.attach(interpreter.offer, "trace")
end

--- After it, when requests come: what has been compiled for the configuration goes.
function compiler.serves()
  jit.attach(interpreter.offer)
  jit.flush()
  jit.opt.start(unpack(SERVING))
end

return compiler
