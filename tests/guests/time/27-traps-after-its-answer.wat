;; attacks = [27]
;; does = "answers, then traps in cabi_post_*"
;; dies = "plugin-trap"
;; -- items
(func (export "cabi_post_bulkhead:plugin/filter@0.1.0#evaluate") (param i32) (unreachable))
