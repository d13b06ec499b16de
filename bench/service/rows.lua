-- wrk -s rows.lua URL -- <feature,feature,…> <rows>: bodies that differ from request to request, and rows
-- that differ from each other: V8 remembers the texts of some thousands of numbers, as traffic seldom lets it.
math.randomseed(1)

local bodies = {}
local at = 0

local function row(names)
  local parts = {}
  for i, name in ipairs(names) do
    parts[i] = string.format('"%s": %.2f', name, math.random(10, 799) / 100)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function init(args)
  local names = {}
  for name in string.gmatch(args[1], "[^,]+") do names[#names + 1] = name end
  local rows = tonumber(args[2])
  for seed = 1, 97 do
    local body
    if rows == 1 then
      body = row(names)
    else
      local all = {}
      for i = 1, rows do all[i] = row(names) end
      body = "[" .. table.concat(all, ",") .. "]"
    end
    bodies[seed] = wrk.format("POST", "/predict", { ["Content-Type"] = "application/json" }, body)
  end
end

function request()
  at = at % #bodies + 1
  return bodies[at]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests": %d, "seconds": %.6f, "p50ms": %.4f, "p99ms": %.4f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.connect + e.read + e.write + e.status + e.timeout))
end
