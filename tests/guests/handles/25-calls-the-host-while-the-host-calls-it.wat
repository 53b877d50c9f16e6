;; attacks = [25, 3]
;; does = "calls the host from cabi_realloc, while the host is handing it a column"
;; dies = "plugin-trap"
;; -- imports
(import "bulkhead:plugin/batches@0.1.0" "[method]batch.seqs" (func $seqs (param i32 i32)))
;; -- items
(global $lent (mut i32) (i32.const -1))
;; -- on-realloc
(if (i32.ne (global.get $lent) (i32.const -1))
  (then (drop (call $len (global.get $lent)))))
;; -- on-batch
(global.set $lent (local.get $of))
(call $seqs (local.get $of) (i32.const 2048))
;; -- honest
(call $seqs (local.get $of) (i32.const 2048))
