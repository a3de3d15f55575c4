-- wrk … -s create.lua URL -- TOKENS: a new letter with a kilobyte of text, each time of another of the users.
local headers = {}
local body = '{"title":"subject line here","content":"' .. string.rep("0123456789", 100)
    .. '","recipientType":"SELF","status":"DRAFT"}'

function init(args)
    for line in io.lines(args[1]) do
        headers[#headers + 1] = { Authorization = "Bearer " .. line, ["Content-Type"] = "application/json" }
    end
end

function request()
    return wrk.format("POST", "/api/v1/mails", headers[math.random(#headers)], body)
end
