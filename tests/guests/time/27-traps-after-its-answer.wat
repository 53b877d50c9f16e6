;; attacks = [27]
;; does = "answers, then traps in cabi_post_*"
;; dies = "plugin-trap"
;; -- on-post
(unreachable)
