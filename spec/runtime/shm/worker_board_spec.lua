--- worker_board_spec: what a worker is doing, for another process to see.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/segment.h", "shm/worker_board.h")
local slice, text = runtime.slice, runtime.text
local REQUEST, LOG = 1, 32

describe("worker_board", function()
  local segment, board, place

  before_each(function()
    segment, board = ffi.new "struct segment", ffi.new "struct worker_board"
    assert(C.segment_init(segment, 65536 + C.worker_board_bytes(4)))
    assert.is_true(C.worker_board_init(board, segment, 4))
    place = C.worker_board_place(board, 2)
  end)

  after_each(function() C.segment_clear(segment) end)

  local function step(phase, plugin) return phase * 65536 + plugin end

  it("is empty at first", function()
    local sight = C.worker_place_read(place)
    assert.equal(0, C.worker_place_turn(place))
    assert.equal(0, tonumber(sight.phase))
    assert.equal("", text(sight.route) .. text(sight.lines))
  end)

  it("shows what another process does", function()
    process.fork(function()
      place.turn_started, place.generation = 12.5, 7
      C.worker_place_set_step(place, step(LOG, 513))
      C.worker_place_set_route(place, 1, slice "GET /users/{id}")
      C.worker_place_set_lines(place, slice "loop.lua:3")
    end):wait(20)
    local sight = C.worker_place_read(place)
    assert.equal(12.5, C.worker_place_turn(place))
    assert.same({ 7, LOG, 513 },
      { tonumber(sight.generation), tonumber(sight.phase), sight.plugin })
    assert.equal("GET /users/{id}", text(sight.route))
    assert.equal("loop.lua:3", text(sight.lines))
  end)

  it("tells where those settled that shed load, but for the one that asks", function()
    assert.equal(0, C.worker_board_shed_settled(board, place))
    C.worker_place_set_load(place, 0.25, 0.5, 0.375)
    assert.equal(0, C.worker_board_shed_settled(board, place))
    for lane, settled in pairs { [0] = 0, 0.25, [3] = 0.75 } do
      C.worker_place_set_load(C.worker_board_place(board, lane), 0.25, 1, settled)
    end
    assert.equal(0.5, C.worker_board_shed_settled(board, place))
    for _, mad in ipairs { 0 / 0, math.huge, -1, 1.5 } do
      C.worker_place_set_load(C.worker_board_place(board, 1), 0.25, 1, mad)
      assert.equal(0.75, C.worker_board_shed_settled(board, place))
    end
    C.worker_place_clear(C.worker_board_place(board, 3))
    assert.equal(0, C.worker_board_shed_settled(board, place))
  end)

  it("shows who is there, and which generation it serves with", function()
    assert.equal(0, C.worker_place_outline(place).pid)
    process.fork(function()
      C.worker_place_set_pid(place, 4711)
      C.worker_place_set_state(place, C.WORKER_DRAINING)
      C.worker_place_set_current(place, 12)
      C.worker_place_set_load(place, 0.25, 0.5, 0.375)
    end):wait(20)
    local outline = C.worker_place_outline(place)
    assert.same({ 0.25, 0.5 }, { outline.delay_seconds, outline.shed_level })
    assert.same({ 4711, 12 }, { outline.pid, tonumber(outline.generation) })
    assert.equal("draining", ffi.string(C.worker_state_name(outline.state)))
    C.worker_place_clear(place)
    assert.equal(0, C.worker_place_outline(place).pid)
    assert.equal(0, C.worker_place_outline(place).shed_level)
  end)

  it("has a place for each lane", function()
    C.worker_place_set_step(place, step(REQUEST, 1))
    assert.equal(0, C.worker_place_step(C.worker_board_place(board, 1)))
    assert.equal(0, C.worker_place_step(C.worker_board_place(board, 3)))
    assert.equal(-6, runtime.end_of(function() C.worker_board_place(board, 4) end))
  end)

  it("copies the name of a route that is another one than before", function()
    C.worker_place_set_route(place, 1, slice "one")
    C.worker_place_set_route(place, 1, slice "other")
    assert.equal("one", text(C.worker_place_read(place).route))
    C.worker_place_set_route(place, 2, slice "other")
    assert.equal("other", text(C.worker_place_read(place).route))
    C.worker_place_set_route(place, 0, slice "none")
    assert.equal("", text(C.worker_place_read(place).route))
  end)

  it("cuts texts that are too long", function()
    C.worker_place_set_route(place, 1, slice(("r"):rep(1000)))
    C.worker_place_set_lines(place, slice(("l"):rep(1000)))
    local sight = C.worker_place_read(place)
    assert.equal(("r"):rep(128), text(sight.route))
    assert.equal(("l"):rep(512), text(sight.lines))
  end)

  it("believes no length", function()
    place.route_length, place.lines_length = 0xffffffff, 4096
    local sight = C.worker_place_read(place)
    assert.same({ 128, 512 }, { tonumber(sight.route.length), tonumber(sight.lines.length) })
  end)

  it("forgets lines when it is asked for others, and everything when it is cleared", function()
    C.worker_place_set_route(place, 1, slice "one")
    C.worker_place_set_lines(place, slice "loop.lua:3")
    C.worker_place_ask(place)
    local sight = C.worker_place_read(place)
    assert.same({ "one", "" }, { text(sight.route), text(sight.lines) })
    C.worker_place_clear(place)
    assert.equal("", text(C.worker_place_read(place).route))
  end)

  it("has a name for each phase", function()
    assert.equal("", ffi.string(C.worker_phase_name(0)))
    local seen = {}
    for bit = 0, 9 do
      local name = ffi.string(C.worker_phase_name(2 ^ bit))
      assert.is_nil(seen[name])
      seen[name] = true
    end
    assert.is_nil(seen.unknown)
    assert.equal("unknown", ffi.string(C.worker_phase_name(3)))
  end)
end)
