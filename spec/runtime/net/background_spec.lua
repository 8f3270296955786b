--- background_spec: work beside the loop, in a thread that lets it go first.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local C = runtime.include "net/background.h"
pcall(ffi.cdef, [[
struct background_driver;
struct driven_job;
struct background_driver *background_driver_create(struct loop *loop);
void background_driver_end(struct background_driver *driver);
void background_driver_free(struct background_driver *driver);
void background_driver_allow_threads(bool are_allowed);
struct driven_job *driven_job_submit(struct background_driver *driver, bool waits);
void driven_job_let_go(struct driven_job *job);
void driven_job_follow(struct driven_job *job);
void driven_job_free(struct driven_job *job);
int driven_job_policy(const struct driven_job *job);
struct driven_job *driven_job_follower(const struct driven_job *job);
int driven_policy_of(const struct driven_job *job);
bool driven_job_blocks_signals(const struct driven_job *job);
bool driven_job_ran_elsewhere(const struct driven_job *job);
int driven_job_worked(const struct driven_job *job);
int driven_job_done(const struct driven_job *job);
]])

local SCHED_OTHER, SCHED_IDLE = 0, 5

describe("background", function()
  local loop, driver, jobs, is_ended

  local function submit(waits)
    jobs[#jobs + 1] = C.driven_job_submit(driver, waits or false)
    return jobs[#jobs]
  end

  local function finish(job)
    runtime.run_until(loop, function() return C.driven_job_done(job) > 0 end)
  end

  local function end_driver()
    if not is_ended then C.background_driver_end(driver) end
    is_ended = true
  end

  local function has_one_thread()
    return system.read_file("/proc/self/status"):match "Threads:%s+(%d+)" == "1"
  end

  before_each(function()
    loop = runtime.new_loop()
    driver, jobs, is_ended = C.background_driver_create(loop), {}, false
  end)

  after_each(function()
    end_driver()
    for _, job in ipairs(jobs) do C.driven_job_free(job) end
    C.background_driver_free(driver)
    runtime.end_loop(loop)
  end)

  it("works in another thread, which takes no signals, and tells the loop", function()
    local job = submit()
    finish(job)
    assert.is_true(C.driven_job_ran_elsewhere(job))
    assert.is_true(C.driven_job_blocks_signals(job))
  end)

  it("works in the order in which jobs came", function()
    for i = 1, 50 do submit(i == 1) end
    C.driven_job_let_go(jobs[1])
    finish(jobs[50])
    for i, job in ipairs(jobs) do
      assert.equal(i, C.driven_job_worked(job))
      assert.equal(i, C.driven_job_done(job))
    end
  end)

  it("has a thread only while it works", function()
    local job = submit(true)
    assert.is_false(has_one_thread())
    C.driven_job_let_go(job)
    finish(job)
    wait.that(has_one_thread)
    finish(submit())
    wait.that(has_one_thread)
  end)

  describe("where no thread can be had", function()
    before_each(function() C.background_driver_allow_threads(false) end)
    after_each(function() C.background_driver_allow_threads(true) end)

    it("tries again until there is one", function()
      local job = submit()
      runtime.run(loop, 0.25)
      assert.is_false(C.driven_job_ran_elsewhere(job))
      C.background_driver_allow_threads(true)
      finish(job)
      assert.is_true(C.driven_job_ran_elsewhere(job))
    end)

    it("ends with all done", function()
      for _ = 1, 3 do submit() end
      end_driver()
      for _, job in ipairs(jobs) do assert.is_true(C.driven_job_done(job) > 0) end
    end)
  end)

  it("leaves the loop alone while it works", function()
    local job = submit(true)
    runtime.run(loop, 0.05)
    assert.equal(0, C.driven_job_done(job))
    C.driven_job_let_go(job)
    finish(job)
  end)

  it("does not keep the loop running", function()
    local job = submit(true)
    C.loop_run(loop)
    C.driven_job_let_go(job)
  end)

  it("takes more work from who is told", function()
    local job = submit(true)
    C.driven_job_follow(job)
    C.driven_job_let_go(job)
    finish(job)
    runtime.run(loop, 0.05)
  end)

  it("finishes all that was submitted before it ends, and what follows on it", function()
    for _ = 1, 10 do C.driven_job_follow(submit()) end
    end_driver()
    for _, job in ipairs(jobs) do assert.is_true(C.driven_job_done(job) > 0) end
  end)

  it("is idle, unless it has taken long or could not be raised", function()
    local job = submit(true)
    local may_be_raised = system.goes_back()
    wait.that(function() return C.driven_job_ran_elsewhere(job) end)
    if not may_be_raised then
      assert.equal(SCHED_OTHER, C.driven_policy_of(job))
    else
      assert.equal(SCHED_IDLE, C.driven_policy_of(job))
      runtime.run_until(loop, function() return C.driven_policy_of(job) == SCHED_OTHER end)
      C.driven_job_let_go(job)
      finish(job)
      wait.that(has_one_thread)
      job = submit(true)
      wait.that(function() return C.driven_job_ran_elsewhere(job) end)
      assert.equal(SCHED_IDLE, C.driven_policy_of(job))
    end
    C.driven_job_let_go(job)
  end)

  it("is not idle once somebody waits for its end", function()
    local job = submit()
    C.driven_job_follow(job)
    wait.that(function() return C.driven_job_worked(job) > 0 end)
    end_driver()
    assert.equal(SCHED_OTHER, C.driven_job_policy(C.driven_job_follower(job)))
  end)

  it("starts no thread before there is work", function()
    local function threads()
      return tonumber(system.read_file("/proc/self/status"):match "Threads:%s*(%d+)")
    end
    local before = threads()
    local job = submit(true)
    assert.equal(before + 1, threads())
    C.driven_job_let_go(job)
    finish(job)
    end_driver()
    wait.that(function() return threads() == before end)
  end)
end)
