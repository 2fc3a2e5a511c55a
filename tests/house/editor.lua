-- Neovim's own client of the language server protocol, asking what a person would; it prints what it got.
local folder, program = vim.env.PLAY_FOLDER, vim.env.PLAY_PROGRAM
local out = io.open(folder .. "/said", "w")
local function say(...) out:write(table.concat({ ... }, " "), "\n") end

vim.cmd("edit " .. folder .. "/main.vcl")
local client = vim.lsp.start_client({ name = "doorward", cmd = { program, "lsp" }, root_dir = folder })
vim.lsp.buf_attach_client(0, client)

-- Waits for an event of the editor's loop; a server that does not answer is a failure of the play.
local function until_(what, done)
    if not vim.wait(20000, done, 10) then
        say("nothing came of", what)
        out:close()
        vim.cmd("cquit")
    end
end

local function ask(method, line, column, more)
    vim.api.nvim_win_set_cursor(0, { line, column })
    local params = vim.tbl_extend("force", vim.lsp.util.make_position_params(), more or {})
    local answers = vim.lsp.buf_request_sync(0, method, params, 20000) or {}
    return (answers[client] or {}).result
end

until_("a fault", function() return #vim.diagnostic.get(0) > 0 end)
for _, fault in ipairs(vim.diagnostic.get(0)) do
    say("fault", fault.lnum + 1 .. ":" .. fault.col + 1, fault.code or fault.user_data.lsp.code, (fault.message:gsub("\n.*", "")))
end

vim.api.nvim_buf_set_text(0, 2, 29, 2, 33, { "trac" })
until_("the mend", function() return #vim.diagnostic.get(0) == 0 end)
say("mended")

-- What the table says of it is the manual's to hold; here it is enough that it comes.
say("hover", (ask("textDocument/hover", 3, 19).contents.value:match("\n([^\n]*)")))
local there = ask("textDocument/definition", 3, 31)
say("definition", (vim.uri_to_fname(there.uri):gsub("^.*/", "")), there.range.start.line + 1 .. ":" .. there.range.start.character + 1)
local offers = ask("textDocument/completion", 3, 31)
for _, offer in ipairs(offers.items or offers) do say("offer", offer.label) end

local edits = ask("textDocument/formatting", 1, 0, { options = { tabSize = 4, insertSpaces = true } })
vim.lsp.util.apply_text_edits(edits or {}, 0, vim.lsp.get_client_by_id(client).offset_encoding)
for _, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do say("line", line) end

vim.lsp.stop_client(client)
until_("the goodbye", function() return vim.lsp.client_is_stopped(client) end)
say("goodbye")
out:close()
vim.cmd("qall!")
