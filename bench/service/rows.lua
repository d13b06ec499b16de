-- wrk -s rows.lua URL -- <feature,feature,…> <rows>: bodies that differ from request to request.
local bodies = {}
local at = 0

local function row(names, seed)
  local parts = {}
  for i, name in ipairs(names) do
    parts[i] = string.format('"%s": %.2f', name, 0.1 + ((seed * 31 + i * 17) % 790) / 100)
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
      body = row(names, seed)
    else
      local all = {}
      for i = 1, rows do all[i] = row(names, seed * 101 + i) end
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
