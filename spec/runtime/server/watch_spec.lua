--- watch_spec: being told of changed files, and of what leads to them.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include("net/loop.h", "server/watch.h")
local slice = runtime.slice

describe("watch", function()
  local loop, watch, folder, told, on_change, paths_kept

  local function create()
    told = 0
    on_change = ffi.cast("void (*)(void *, const char *)", function() told = told + 1 end)
    watch = C.watch_create(loop, on_change, nil)
  end

  local function run(script) assert(os.execute(("cd '%s' && %s"):format(folder, script)) == 0) end

  -- Files by relative path; "name/" is a folder whose names matter, "!name" was not there.
  local function set(names, read)
    local paths = ffi.new("struct watch_path[?]", #names)
    paths_kept = {}
    for i, name in ipairs(names) do
      local bare = name:gsub("^!", ""):gsub("/$", "")
      paths_kept[i] = slice(bare:find "^/" and bare or folder .. "/" .. bare)
      paths[i - 1].path = paths_kept[i]
      paths[i - 1].is_folder = name:find "/$" ~= nil
      paths[i - 1].state = name:find "^!" and C.WATCH_MISSING or C.WATCH_THERE
    end
    C.watch_set(watch, paths, #names, read or C.watch_moment())
  end

  -- What was written in the same tick of the clock counts as changed.
  local function settle()
    runtime.run(loop, 0.15)
    told = 0
  end

  local function is_told()
    runtime.run_until(loop, function() return told > 0 end)
    runtime.run(loop, 0.15)
    local times = told
    told = 0
    return times == 1
  end

  local function is_quiet()
    runtime.run(loop, 0.25)
    return told == 0
  end

  before_each(function()
    folder = system.temporary_directory()
    loop = runtime.new_loop()
    create()
  end)

  after_each(function()
    C.watch_destroy(runtime.box("struct watch *", watch))
    runtime.end_loop(loop)
    on_change:free()
    process.remove(folder)
  end)

  it("tells of a file that is written, renamed into place, touched, made unreadable, removed",
    function()
      run "echo one >file"
      for _, script in ipairs { "echo two >file", "echo three >>file", "chmod 0 file",
                                "echo four >other; mv other file", "rm file" } do
        set { "file" }
        settle()
        assert.is_true(is_quiet())
        run(script)
        assert.is_true(is_told(), script)
        assert.is_true(is_quiet())
      end
    end)

  it("tells when a file appears that was missing", function()
    set { "!missing", "!no/such/folder/file" }
    settle()
    run "echo >missing"
    assert.is_true(is_told())
    run "mkdir no"
    assert.is_true(is_told())
    set { "!no/such/folder/file" }
    settle()
    run "mkdir -p no/such/folder"
    assert.is_true(is_told())
    set { "!no/such/folder/file" }
    settle()
    run "echo >no/such/folder/file"
    assert.is_true(is_told())
  end)

  it("does not care for what happens beside its files", function()
    run "mkdir -p a/b; echo >a/b/file; echo >a/b/other"
    set { "a/b/file" }
    settle()
    run [[echo x >>a/b/other; echo >a/b/new; rm a/b/new; mkdir a/c
          cat a/b/file >/dev/null; ls a >/dev/null]]
    assert.is_true(is_quiet())
  end)

  describe("where symlinks lead to a file", function()
    -- As Kubernetes mounts a ConfigMap.
    it("tells when one of them is swapped", function()
      run [[mkdir ..1 ..2; echo >..1/file; echo >..2/file
            ln -s ..1 ..data; ln -s ..data/file file]]
      set { "file" }
      settle()
      run "ln -s ..2 ..next; mv -T ..next ..data"
      assert.is_true(is_told())
      set { "file" }
      settle()
      run "echo >..1/file"
      assert.is_true(is_quiet())
      run "echo >..2/file"
      assert.is_true(is_told())
    end)

    it("follows relative ones, absolute ones and chains, but no circle", function()
      run [[mkdir -p a/b real; echo >real/file; ln -s ../../real a/b/up; ln -s "$PWD/a/b/up" top
            ln -s circle circle]]
      set { "top/../real/./file", "top//file", "!circle" }
      settle()
      assert.is_true(is_quiet())
      run "rm a/b/up"
      assert.is_true(is_told())
    end)
  end)

  it("tells when names in a folder come and go", function()
    run "mkdir list; echo >list/one"
    set { "list/", "!none/" }
    settle()
    for _, script in ipairs { "echo >list/two", "mv list/one list/three", "rm list/two",
                              "rmdir list 2>/dev/null; rm -r list", "mkdir none" } do
      run(script)
      assert.is_true(is_told(), script)
    end
  end)

  it("tells of what changed between its being read and its being watched", function()
    run "echo >file; mkdir list"
    system.sleep(0.02)
    local read = C.watch_moment()
    set({ "file", "!missing", "list/" }, read)
    assert.is_true(is_quiet())
    run "echo >>file"
    set({ "file" }, read)
    assert.is_true(is_told())
    run "echo >missing"
    set({ "!missing" }, C.watch_moment())
    assert.is_true(is_told())
    run "echo >list/new"
    set({ "list/" }, read)
    assert.is_true(is_told())
    set({ "list/", "gone" }, C.watch_moment())
    assert.is_true(is_told())
  end)

  it("tells once of what has come while the loop was late", function()
    run "echo >file"
    set { "file" }
    settle()
    local read = C.watch_moment()
    run "echo >>file"
    system.sleep(0.2) -- longer than it has to be quiet
    set({ "file" }, read)
    assert.is_true(is_told())
    assert.is_true(is_quiet())
  end)

  it("does not tell what who is about to read the files will see", function()
    run "echo >file"
    set { "file" }
    settle()
    run "echo >>file" -- not heard of yet
    C.watch_forget_changes(watch)
    assert.is_true(is_quiet())
    run "echo >>file"
    runtime.run(loop, 0.02) -- heard of, not told yet
    C.watch_forget_changes(watch)
    assert.is_true(is_quiet())
    run "echo >>file"
    assert.is_true(is_told())
  end)

  it("tells once for many changes, but does not wait for ever for quiet", function()
    run "echo >file"
    set { "file" }
    settle()
    -- Changes without a pause, until it tells: how long that took, and the longest time between two
    -- of them, which is no pause unless the machine makes it one.
    local function write_until_told()
      local file = assert(io.open(folder .. "/file", "a"))
      local started, last, pause = system.now(), system.now(), 0
      told = 0
      while told == 0 do
        assert(file:write "x" and file:flush())
        runtime.run(loop, 0.005)
        local now = system.now()
        pause, last = math.max(pause, now - last), now
        assert.is_true(now - started < 60)
      end
      file:close()
      return last - started, pause
    end
    local seconds, pause
    for _ = 1, 20 do
      seconds, pause = write_until_told()
      if pause < 0.09 then break end
      settle()
    end
    -- A machine that makes a pause of its own each time says nothing of it.
    assert.is_true(seconds >= 0.9 or pause >= 0.09)
  end)

  it("forgets what is watched no more", function()
    run "echo >one; echo >two; mkdir list"
    for _ = 1, 20 do
      set { "one", "list/" }
      set { "two" }
    end
    settle()
    run "echo >>one; echo >list/new"
    assert.is_true(is_quiet())
    run "echo >>two"
    assert.is_true(is_told())
    set {}
    run "echo >>two"
    assert.is_true(is_quiet())
  end)

  it("looks now and then where the system has no watches to give", function()
    run "mkdir list; echo >file"
    C.watch_destroy(runtime.box("struct watch *", watch))
    on_change:free()
    -- As many instances of inotify as a user may have.
    ffi.cdef [[int spec_inotify_init1(int) __asm__("inotify_init1");]]
    local taken = {}
    repeat taken[#taken + 1] = C.spec_inotify_init1(524288) until taken[#taken] < 0
    create()
    set { "file", "list/", "!missing" }
    for _, fd in ipairs(taken) do system.C.spec_close(fd) end
    settle()
    assert.is_true(is_quiet())
    for _, script in ipairs { "echo >>file", "echo >list/new", "echo >missing" } do
      run(script)
      assert.is_true(is_told(), script)
    end
  end)
end)
