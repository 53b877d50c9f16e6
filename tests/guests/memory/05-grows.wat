;; attacks = [5]
;; does = "grows its memory until it may not, then uses what it did not get"
;; dies = "plugin-memory"
;; -- on-batch
(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
(unreachable)
