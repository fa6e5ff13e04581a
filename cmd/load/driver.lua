-- wrk's script for a comparison: linli's requests from here, those of the
-- others from their own script (PEERS_LUA). PROFILE is linli-one or linli-six.
-- Environment, for linli:
--   LINLI_BODIES                file with the bodies to post, one a line
--   IDS_one, IDS_six            file with the ids to get, one a line
--   AUTH_one, AUTH_six          file with Authorization headers, one a line: of who
--                 reads, then of those who post
--   AFTER_one, AFTER_six        command that waits until all effects of a create are there, so
--                 that they are on linli's account and not on the next one's
local env = os.getenv
local shape = env("PROFILE"):match("^linli%-(.*)")
if not shape then
  dofile(env("PEERS_LUA"))
  return
end

local op = env("OP")
local list = "/v1/organizations/C%04d/requests?pageSize=50"

local count, ready = 0, {}
function setup(thread)
  count = count + 1
  thread:set("number", count)
end

local function lines(file)
  local out = {}
  for l in io.lines(file) do out[#out + 1] = l end
  return out
end

-- All requests are formatted before the clock starts.
function init(args)
  math.randomseed(1000 * (number or 1) + 7)
  local people = lines(env("AUTH_" .. shape))
  wrk.headers["Authorization"] = people[1]
  if op == "create" then
    wrk.headers["Content-Type"] = "application/json"
    for i, body in ipairs(lines(env("LINLI_BODIES"))) do
      wrk.headers["Authorization"] = people[2 + i % (#people - 1)]
      ready[i] = wrk.format("POST", "/v1/requests", nil, body)
    end
  elseif op == "get" then
    local ids = lines(env("IDS_" .. shape))
    for i = 1, 20000 do
      ready[i] = wrk.format("GET", "/v1/requests/" .. ids[math.random(#ids)])
    end
  else
    local view = op == "list" and "&view=REQUEST_VIEW_WHOLE" or ""
    for i = 1, 1000 do
      ready[i] = wrk.format("GET", string.format(list, i - 1) .. view)
    end
  end
end

function request() return ready[math.random(#ready)] end

function done(s, l, r)
  if op == "create" then os.execute(env("AFTER_" .. shape)) end
  local e = s.errors
  local bad = e.status + e.connect + e.read + e.write + e.timeout
  io.write(string.format("RESULT rps=%.1f p50=%.3f p99=%.3f bad=%d bytes=%d\n",
    s.requests / s.duration * 1e6, l:percentile(50) / 1000, l:percentile(99) / 1000, bad, s.bytes / math.max(1, s.requests)))
end
