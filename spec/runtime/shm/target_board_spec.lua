--- target_board_spec: rows of targets, counts of lanes, and who probes.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local C = runtime.include("shm/segment.h", "shm/target_board.h")
local slice = runtime.slice
local LANES, ROWS_MAX = 3, 16384
local ACTIVE, USERS, HOLDERS, ATTEMPTS = 0, 1, 3, 4
local NONE = ffi.new "struct slice"

describe("target_board", function()
  local segment, board

  before_each(function()
    segment, board = ffi.new "struct segment", ffi.new "struct target_board"
    assert(C.segment_init(segment, 65536 + C.target_board_bytes(LANES)))
    assert.is_true(C.target_board_init(board, segment, LANES))
    C.target_board_attach(board, 0)
  end)

  after_each(function() C.segment_clear(segment) end)

  local function row(upstream, target)
    return C.target_board_hold(board, slice(upstream), target and slice(target) or NONE)
  end

  local function words(lane, number)
    local other = ffi.new("struct target_board", board)
    C.target_board_attach(other, lane)
    return other.active.mine + number * other.active.words
  end

  local function sum(number, word)
    return tonumber(C.series_sum(board.active, number, word))
  end

  it("knows a target of an upstream, and the upstream, by one row each", function()
    local one = row("users", "http://a:1")
    assert.is_true(one > 0)
    assert.equal(one, row("users", "http://a:1"))
    assert.are_not.equal(one, row("orders", "http://a:1"))
    assert.are_not.equal(one, row "users")
    assert.equal(one, C.target_board_find(board, slice "users", slice "http://a:1"))
    assert.equal(0, C.target_board_find(board, slice "users", slice "http://a:2"))
  end)

  it("has rows whose words no other shares, zero at first", function()
    local one, other = row("users", "http://a:1"), row("users", "http://a:2")
    board.words[one].ejection, board.words[one].latency = 7, 9
    assert.equal(0, tonumber(board.words[other].ejection))
    assert.equal(128, ffi.sizeof "struct target_words")
    assert.equal(0, tonumber(ffi.cast("intptr_t", board.words) % 64))
  end)

  it("gives no row beyond its room, and tells that by 0", function()
    for i = 1, ROWS_MAX - 1 do assert.is_true(row("u", "http://target:" .. i) > 0) end
    assert.equal(0, row("u", "http://one:1"))
    assert.is_true(row("u", "http://target:1") > 0)
  end)

  it("gives away what nobody holds and no operator's word lies over, empty", function()
    local counted, width = words(1, 0), board.active.words
    for i = 1, ROWS_MAX - 1 do
      local number = row("u", "http://target:" .. i)
      board.words[number].ejection, board.words[number].joined = i, i
      counted[number * width + ATTEMPTS] = i
      if i ~= 7 then C.target_board_release(board, number) end
      if i == 9 then board.words[number].overlay = 1 end
    end
    for i = 1, ROWS_MAX - 3 do
      local number = row("u", "http://new:" .. i)
      assert(number > 0 and board.words[number].ejection == 0 and board.words[number].joined == 0)
      assert(sum(number, ATTEMPTS) == 0)
    end
    assert.equal(0, row("u", "http://one:1"))
    assert.equal(7, tonumber(board.words[row("u", "http://target:7")].ejection))
    assert.equal(9, tonumber(board.words[row("u", "http://target:9")].ejection))
  end)

  it("adds up what workers have under way, and forgets what a dead one had", function()
    local number = row("users", "http://a:1")
    local worker = process.fork(function()
      words(1, number)[ACTIVE] = 5
      words(1, number)[USERS], words(1, number)[HOLDERS] = 1, 1
      while true do system.sleep(1) end
    end)
    words(2, number)[ACTIVE] = 2
    wait.that(function() return sum(number, ACTIVE) == 7 and sum(number, USERS) == 1 end)
    worker:kill()
    assert.equal(7, sum(number, ACTIVE))
    C.target_board_forget_lane(board, 1)
    assert.equal(2, sum(number, ACTIVE))
    assert.equal(0, sum(number, USERS))
    assert.equal(1, sum(number, HOLDERS)) -- this process
  end)

  it("keeps what a dead worker has counted", function()
    local number = row("users", "http://a:1")
    words(1, number)[ATTEMPTS], words(2, number)[ATTEMPTS] = 5, 2
    C.target_board_forget_lane(board, 1)
    assert.equal(7, sum(number, ATTEMPTS))
  end)

  describe("has one prober", function()
    local first, second, lane

    before_each(function()
      first, second = ffi.new("struct target_board", board), ffi.new("struct target_board", board)
      C.target_board_attach(first, 1)
      C.target_board_attach(second, 2)
      lane = ffi.new "uint32_t[1]"
    end)

    it("who claims it first, as long as it says so again", function()
      assert.is_false(C.target_board_prober(board, 10, lane))
      assert.is_true(C.target_board_claim_prober(first, 10, 2))
      assert.is_false(C.target_board_claim_prober(second, 11, 2))
      assert.is_true(C.target_board_claim_prober(first, 11.5, 2))
      assert.is_false(C.target_board_claim_prober(second, 13, 2))
      assert.is_true(C.target_board_prober(board, 13, lane))
      assert.equal(1, lane[0])
    end)

    it("or whoever looks when its time has run out", function()
      C.target_board_claim_prober(first, 10, 2)
      assert.is_false(C.target_board_prober(board, 12.1, lane))
      assert.is_true(C.target_board_claim_prober(second, 12.1, 2))
      assert.is_false(C.target_board_claim_prober(first, 12.2, 2))
    end)

    it("or anybody at once when the master has found it dead", function()
      C.target_board_claim_prober(first, 10, 2)
      C.target_board_forget_lane(board, 2)
      assert.is_false(C.target_board_claim_prober(second, 10.1, 2))
      C.target_board_forget_lane(board, 1)
      assert.is_true(C.target_board_claim_prober(second, 10.1, 2))
    end)
  end)
end)
