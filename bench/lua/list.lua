-- wrk … -s list.lua URL -- TOKENS PATH: the first page of a letter list, each time of another of the users.
local tokens, path = {}, nil

function init(args)
    for line in io.lines(args[1]) do tokens[#tokens + 1] = { Authorization = "Bearer " .. line } end
    path = args[2]
end

function request()
    return wrk.format("GET", path, tokens[math.random(#tokens)])
end
