-- Oneofs: one member at most, and the name of the member that is set.

local m = t.round_trip("kinds.Choice", { text = "" })
t.same(m, { text = "" })
t.is(m.kind, "text") t.is(m.other, nil) t.is(m.number, nil) t.is(m.message, nil)
t.is(rawget(m, "kind"), nil) -- read, never stored
m.text, m.color = nil, "RED"
t.is(m.kind, "color")
m.color = nil
t.is(m.kind, nil)
t.is(m.before, 0) -- fields outside the oneof still read as their defaults
t.is(m.no_such_field, nil) t.is(m[1], nil)

for name, value in next, { text = "", number = 0, message = {}, color = "NONE", raw = "", wrapped = "" } do
  local got = t.oracle("kinds.Choice", { [name] = value, yes = false })
  t.same(got, { [name] = value, yes = false }, name)
  t.is(got.kind, name) t.is(got.other, "yes")
end

t.fails("kinds.Choice", { text = "a", number = 1 },
        'kinds.Choice.kind: both "text" and "number" are set; a oneof holds one at most')
t.fails("kinds.Choice", { color = "RED", message = {} },
        'kinds.Choice.kind: both "message" and "color" are set; a oneof holds one at most')
t.fails("kinds.All", { choice = { yes = true, maybe = 0 } },
        'kinds.All.choice.other: both "yes" and "maybe" are set; a oneof holds one at most')
t.fails("kinds.Choice", { kind = "text" }, "kinds.Choice.kind: a oneof is set by setting one of its members")
