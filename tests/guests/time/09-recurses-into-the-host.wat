;; attacks = [9]
;; does = "calls itself without end, and the host at every step"
;; limits = { cpu-ms = 10000 }
;; dies = "plugin-trap"
;; -- items
(func $deep (param i32)
  (drop (call $len (local.get 0)))
  (call $deep (local.get 0))
  (drop (call $len (local.get 0))))
;; -- on-batch
(call $deep (local.get $of))
