;; attacks = [5]
;; does = "asks for more memory than it may have, and takes no for an answer"
;; goes-on = "memory.grow says -1: what a guest does with that is its own affair"
;; -- on-batch
(if (i32.ne (memory.grow (i32.const 1000)) (i32.const -1)) (then (unreachable)))
