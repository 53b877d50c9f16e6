;; attacks = [7]
;; does = "grows a table towards 2^30 entries"
;; dies = "plugin-table-elements"
;; -- items
(table $t 1 funcref)
;; -- on-batch
(loop $l
  (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 50)) (i32.const -1))))
(if (i32.ne (table.grow $t (ref.null func) (i32.const 0x3fffffff)) (i32.const -1))
  (then (return (i32.const 1024))))
(unreachable)
