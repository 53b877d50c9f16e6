;; attacks = [26]
;; does = "traps on every call but its first: a fresh guest must be made each time, and none may remember"
;; goes-on = "every call that follows a death is the first of a fresh guest"
;; -- items
(global $calls (mut i32) (i32.const 0))
;; -- on-batch
(if (global.get $calls) (then (unreachable)))
(global.set $calls (i32.const 1))
