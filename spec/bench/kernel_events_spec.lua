--- kernel_events: lines as perf script writes them.

local kernel_events = require "spec.bench.kernel_events"

describe("events of the kernel", function()
  local told

  local function replay(lines)
    told = {}
    local place = 0
    local function next_line()
      place = place + 1
      return lines[place]
    end
    local function teller(name)
      return function(...) told[#told + 1] = name .. " " .. table.concat({ ... }, " ") end
    end
    kernel_events.replay(next_line, { on_read = teller "read", on_write = teller "write",
      on_written = teller "written", on_state = teller "state" })
  end

  local function switch(time, left, state, entered)
    return ("   -1 %s:   sched:sched_switch: prev_comm=a b prev_pid=%d prev_prio=120 prev_state=%s "
      .. "==> next_comm=swapper/1 next_pid=%d next_prio=120"):format(time, left, state, entered)
  end

  local function wakeup(time, tid)
    local form = "    8 %s:   sched:sched_wakeup: comm=nginx pid=%d prio=120 target_cpu=001"
    return form:format(time, tid)
  end

  it("are told in their order, with times in milliseconds", function()
    replay {
      "   21 7.000000000: syscalls:sys_enter_recvfrom: fd: 0x0000001a, ubuf: 0x560c, size: 0x0400",
      "   21 7.000500000:  syscalls:sys_exit_recvfrom: 0x496",
      "   21 7.001000000:    syscalls:sys_enter_writev: fd: 0x00000065, vec: 0x7ffd, vlen: 0x02",
      "   21 7.002000000:     syscalls:sys_exit_writev: 0x496",
      switch("7.003000000", 9, "X", 21),
    }
    assert.same({ "read 21 26 7000.5", "write 21 101 7001", "written 21 7002",
      "state 9 sleeping 7003", "state 21 running 7003" }, told)
  end)

  it("leave out reads that give nothing, and ends of what was not seen to begin", function()
    replay {
      "   21 7.000000000:  syscalls:sys_exit_recvfrom: 0x496",
      "   21 7.001000000: syscalls:sys_enter_read: fd: 0x0000001a, buf: 0x560c, count: 0x0400",
      "   21 7.002000000:  syscalls:sys_exit_read: 0xfffffffffffffff5",
      "   21 7.003000000: syscalls:sys_enter_read: fd: 0x0000001a, buf: 0x560c, count: 0x0400",
      "   21 7.004000000:  syscalls:sys_exit_read: 0x0",
    }
    assert.same({}, told)
  end)

  it("say who waits: who is preempted, and who is woken unless it runs yet", function()
    replay { wakeup("7.0", 21), switch("7.001", 9, "R+", 21), wakeup("7.002", 21),
      switch("7.003", 21, "S", 0), wakeup("7.004", 21) }
    assert.same({ "state 21 runnable 7000", "state 9 runnable 7001", "state 21 running 7001",
      "state 21 sleeping 7003", "state 0 running 7003", "state 21 runnable 7004" }, told)
  end)

  it("are refused where a line says something else, as of events that are lost", function()
    for _, line in ipairs { "    0 7.0: PERF_RECORD_LOST lost 17",
      "   21 7.0: sched:sched_switch: nginx:21 [120] S ==> swapper/1:0 [120]",
      "   21 7.0: sched:sched_wakeup: nginx:21 [120] success=1" } do
      assert.error_matches(function() replay { line } end, "^not understood, of perf script: ")
    end
  end)
end)
