;; attacks = [9]
;; does = "calls itself without end"
;; dies = "plugin-trap"
;; -- items
(func $deep (call $deep) (call $deep))
;; -- on-batch
(call $deep)
