-- Posts one file again and again, and prints what wrk counted as JSON: latencies in milliseconds.
-- A client that was refused comes back after a second, as one that is told to wait does.
-- Arguments: the file, its Content-Type, and the Authorization header, which may be empty.
function init(args)
    local file = assert(io.open(args[1], "rb"))
    wrk.method = "POST"
    wrk.body = file:read("*a")
    file:close()
    wrk.headers["Content-Type"] = args[2]
    if args[3] ~= "" then
        wrk.headers["Authorization"] = args[3]
    end
end

local refused = false

function response(status)
    refused = status == 503
end

function delay()
    local wait = refused and 1000 or 0
    refused = false
    return wait
end

function done(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format(
        '\n{"requests": %d, "seconds": %f, "failed": %d, "p50": %f, "p95": %f, "p99": %f}\n',
        summary.requests, summary.duration / 1e6, failed,
        latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
