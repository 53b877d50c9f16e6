;; attacks = [44]
;; does = "writes into its memory and dies, then looks in the next instance for what it wrote; spins if it finds it"
;; dies = "plugin-trap"
;; -- on-batch
(if (i32.load (i32.const 50000)) (then (loop $found (br $found))))
(i32.store (i32.const 50000) (i32.const 0x5eed))
(unreachable)
