module daybook.dev

go 1.26.0
