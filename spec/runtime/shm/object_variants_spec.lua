--- object_variants_spec: several answers to one key.

local objects = require "spec.support.objects"

local C = objects.C

describe("a key with variants", function()
  local store, other

  before_each(function()
    store = objects.new(1048576)
    other = objects.view(2)
  end)
  after_each(function()
    objects.check(store)
    objects.finish()
  end)

  local function finish(fill, metadata, body)
    assert.equal("done", (objects.head(store, fill, metadata)))
    assert.equal("done", objects.append(store, fill, body))
    assert.is_true(C.object_fill_complete(store, fill))
  end

  -- The first answer varies; the marker, held.
  local function begin(variant, rules)
    local _, fill = objects.claim(store, "a")
    assert.equal("done", objects.vary(store, fill, rules or "accept", variant))
    finish(fill, "head of " .. variant, "body of " .. variant)
    local found, marker = objects.find(store, "a")
    assert.equal("varies", found)
    return marker
  end

  local function add(marker, variant)
    local filled, fill = objects.claim_variant(store, marker, variant)
    assert.equal("done", filled)
    finish(fill, "head of " .. variant, "body of " .. variant)
  end

  local function get(marker, variant)
    local found, hold = objects.find_variant(store, marker, variant)
    if found == "missing" or found == "passed" then return found end
    local metadata, body = objects.metadata(store, hold), objects.body(store, hold)
    objects.release(store, hold)
    return found, metadata, body
  end

  it("leads to its rules, and those to each variant", function()
    local marker = begin "json"
    assert.equal("accept", objects.metadata(store, marker))
    assert.same({ "complete", "head of json", "body of json" }, { get(marker, "json") })
    assert.equal("missing", (get(marker, "html")))
    add(marker, "html")
    assert.same({ "complete", "head of html", "body of html" }, { get(marker, "html") })
    assert.same({ "complete", "head of json", "body of json" }, { get(marker, "json") })
    assert.equal("taken", (objects.claim_variant(store, marker, "html")))
    objects.release(store, marker)
    assert.equal(3, tonumber(objects.usage(store).objects))
  end)

  it("sends those who wait for its first answer to its variants", function()
    local _, fill = objects.claim(store, "a")
    local _, waiting = objects.find(other, "a")
    objects.vary(store, fill, "accept", "json")
    assert.equal("moved", objects.state(other, waiting))
    objects.release(other, waiting)
    local found, marker = objects.find(other, "a")
    assert.equal("varies", found)
    local hold
    found, hold = objects.find_variant(other, marker, "json")
    assert.equal("filling", found)
    finish(fill, "head", "body")
    assert.equal("body", (objects.body(other, hold)))
    objects.release(other, hold)
    objects.release(other, marker)
  end)

  it("keeps to the rules it has", function()
    local marker = begin "json"
    local _, fill = objects.claim_variant(store, marker, "html")
    local page = fill.object.page
    assert.equal("done", objects.vary(store, fill, "accept", "html"))
    assert.equal(page, fill.object.page)
    -- Asked for by what turns out to be another variant.
    assert.equal("done", objects.vary(store, fill, "accept", "xml"))
    finish(fill, "head", "body of xml")
    assert.equal("missing", (get(marker, "html")))
    assert.same({ "complete", "head", "body of xml" }, { get(marker, "xml") })
    objects.release(store, marker)
  end)

  it("gets new rules, and the variants of the old ones are gone", function()
    local marker = begin "json"
    local _, fill = objects.claim_variant(store, marker, "html")
    assert.equal("done", objects.vary(store, fill, "accept, cookie", "html, none"))
    finish(fill, "head", "body")
    assert.is_true(objects.progress(store, marker).is_removed)
    objects.release(store, marker)
    local found
    found, marker = objects.find(store, "a")
    assert.equal("varies", found)
    assert.equal("accept, cookie", objects.metadata(store, marker))
    assert.equal("missing", (get(marker, "json")))
    assert.same({ "complete", "head", "body" }, { get(marker, "html, none") })
    objects.release(store, marker)
  end)

  it("has so many variants at most, of which the oldest goes", function()
    local marker = begin "0"
    for i = 1, 64 do add(marker, tostring(i)) end
    assert.equal("missing", (get(marker, "0")))
    for i = 1, 64 do assert.equal("complete", (get(marker, tostring(i)))) end
    assert.equal(65, tonumber(objects.usage(store).objects))
    objects.release(store, marker)
  end)

  it("is listed once, however often a variant is replaced", function()
    local marker = begin "0"
    add(marker, "1")
    for _ = 1, 100 do
      local _, hold = objects.find_variant(store, marker, "1")
      local _, refresh = objects.refresh(store, hold)
      local _, fill = objects.refresh_replace(store, refresh)
      finish(fill, "head", "body")
      objects.release(store, hold)
    end
    assert.equal("complete", (get(marker, "0")))
    objects.release(store, marker)
  end)

  it("is purged with all of them, hard or soft", function()
    local marker = begin "json"
    add(marker, "html")
    objects.release(store, marker)
    assert.is_true(C.object_purge_key(other, objects.key "a", C.OBJECT_PURGE_SOFT))
    local _
    _, marker = objects.find(store, "a")
    for _, variant in ipairs { "json", "html" } do
      local _, hold = objects.find_variant(store, marker, variant)
      assert.is_true(objects.progress(store, hold).is_stale)
      objects.release(store, hold)
    end
    add(marker, "xml")
    local hold
    _, hold = objects.find_variant(store, marker, "xml")
    assert.is_false(objects.progress(store, hold).is_stale)
    objects.release(store, hold)
    objects.release(store, marker)
    assert.is_true(C.object_purge_key(other, objects.key "a", C.OBJECT_PURGE_HARD))
    assert.equal("missing", (objects.find(store, "a")))
    assert.equal(0, tonumber(objects.usage(store).pages))
  end)

  it("takes rules and keys of any length they may have", function()
    local key, rules = ("k"):rep(1400), ("r"):rep(5000)
    local _, fill = objects.claim(store, key)
    assert.equal("done", objects.vary(store, fill, rules, ("v"):rep(136)))
    assert.equal("too large", objects.vary(store, fill, rules, ("v"):rep(137)))
    finish(fill, "head", "body")
    local _, marker = objects.find(store, key)
    assert.equal(rules, objects.metadata(store, marker))
    for i = 1, 20 do add(marker, tostring(i)) end
    assert.equal("missing", (get(marker, ("v"):rep(136))))
    assert.equal("complete", (get(marker, "20")))
    objects.release(store, marker)
    assert.equal(17, tonumber(objects.usage(store).objects))
  end)
end)
